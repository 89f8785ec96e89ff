"""Results that are remembered."""

from collections.abc import Callable
from typing import Any, Final

_MAX_MEMO: Final = 8192  # keys
_MAX_MEMO_BYTES: Final = 1 << 20  # of keys that are bytes or texts


class Memo(dict[Any, Any]):
    """Remembers the results of ``make`` for the last few thousand keys, or fewer large ones.

    A look-up of a known key is one dict access in C: map(memo.__getitem__, column) calls no Python.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make
        self._bytes = 0

    def __missing__(self, key: object) -> object:
        size = len(key) if isinstance(key, bytes | str) else 0
        self._bytes += size
        if len(self) >= _MAX_MEMO or self._bytes > _MAX_MEMO_BYTES:
            self.clear()
            self._bytes = size
        result = self[key] = self._make(key)
        return result
