"""Names of the kernel's symbols by their addresses (/proc/kallsyms)."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Final

from beepy.errors import KernelError
from beepy.host import machine
from beepy.log import Log

_log = Log(__name__)

_MAX_UNKNOWN: Final = 1 << 14  # addresses that are remembered not to be a symbol's

_MAX_OFFSET: Final = 1 << 20  # no function is so large: the address is not the kernel's

Symbol = tuple[str, str, str]
"""Address in hexadecimal, type and name."""


class Symbols:
    """Finds symbols; read when the first is asked for, and again for one of a module loaded since.

    ``read`` yields all symbols, ``version`` returns something that changes when modules do.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Symbol]] = machine.symbols,
        version: Callable[[], object] = machine.modules,
    ) -> None:
        self._read = read
        self._version = version
        self._addresses: list[int] = []
        self._names: list[str] = []
        self._read_at: object = None  # the version that was read
        self._unknown: set[int] = set()

    def exact(self, address: int) -> str:
        """Return the symbol at exactly that address, "" if there is none."""
        if address in self._unknown:
            return ""
        for _ in range(2):
            at = bisect_right(self._addresses, address) - 1
            if at >= 0 and self._addresses[at] == address:
                return self._names[at]
            if not self._refresh():
                break
        if len(self._unknown) >= _MAX_UNKNOWN:
            self._unknown.clear()
        self._unknown.add(address)
        return ""

    def containing(self, address: int) -> str:
        """Return the last symbol up to that address, "" if there is none."""
        for _ in range(2):
            at = bisect_right(self._addresses, address) - 1
            if at >= 0:
                return self._names[at]
            if not self._refresh():
                break
        return ""

    def with_offset(self, address: int) -> str:
        """Return the symbol that has that address, and the offset in it: ``vfs_read+0x1f``.

        Return "" if there is none so near.
        """
        name = self.containing(address)
        offset = (
            address - self._addresses[bisect_right(self._addresses, address) - 1] if name else 0
        )
        if not name or offset > _MAX_OFFSET:
            return ""
        return f"{name}+{offset:#x}" if offset else name

    def function(self, address: int) -> str:
        """Return the text of a frame: the function, the address if none is known."""
        return self.containing(address) or hex(address)

    def _refresh(self) -> bool:
        """Read the symbols unless they are the same as before; tell whether they were read."""
        version = self._version()
        if version == self._read_at:
            return False
        self._read_at = version
        self._unknown.clear()
        try:
            pairs = [(int(address, 16), name) for address, _, name in self._read()]
        except KernelError as error:
            _log.warning("symbols of the kernel are not decoded: %s", error)
            return False
        # without CAP_SYSLOG all addresses are 0
        pairs = [pair for pair in pairs if pair[0]]
        pairs.sort(key=lambda pair: pair[0])  # of several at one address, in the kernel's order
        self._addresses = [address for address, _ in pairs]
        self._names = [name for _, name in pairs]
        return True
