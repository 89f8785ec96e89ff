"""The maps of libbpf's usdt.bpf.h, by which a program finds the arguments of the probe that it hit.

``__bpf_usdt_specs`` has argument specs (``usdt_args``) by id. The id is the probe's cookie. Before
v5.15 there are no cookies: ``__bpf_usdt_ip_to_spec_id`` has the id by the address of the probe.
All programs of a collection share the two maps.
"""

import errno
from typing import Final

from beepy.errors import AttachError, KernelError
from beepy.hooks.target import Target
from beepy.kernel.map import Map
from beepy.uapi import UpdateFlag

_SPECS: Final = "__bpf_usdt_specs"
_IDS: Final = "__bpf_usdt_ip_to_spec_id"


class UsdtMaps:
    """Tracks which entries of a collection's two maps are in use, and by how many probes."""

    def __init__(self, specs: Map, ids: Map) -> None:
        self._specs = specs
        self._ids = ids
        self._free = list(range(specs.max_entries))[::-1]
        self._spec_uses: dict[bytes, list[int]] = {}  # spec -> [id, uses]
        self._address_uses: dict[bytes, list[int]] = {}  # key -> [id, uses]

    @property
    def spec_size(self) -> int:
        """Size in bytes of a spec, which depends on the version of usdt.bpf.h."""
        return self._specs.value_size

    def add_spec(self, spec: bytes, where: str) -> int:
        """Store a spec and return its id; equal specs share one. Raises AttachError."""
        uses = self._spec_uses.get(spec)
        if uses is None:
            if not self._free:
                why = f"map '{_SPECS}' is full: see BPF_USDT_MAX_SPEC_CNT"
                raise AttachError(f"{where}: {why}", errno.E2BIG)
            spec_id = self._free[-1]
            try:
                self._specs.update(spec_id.to_bytes(4, "little"), spec)
            except KernelError as error:
                raise AttachError.wrap(error, where) from None
            uses = self._spec_uses[spec] = [self._free.pop(), 0]
        uses[1] += 1
        return uses[0]

    def remove_spec(self, spec: bytes) -> None:
        """Free the spec's entry if this was its last use."""
        uses = self._spec_uses[spec]
        uses[1] -= 1
        if not uses[1]:
            self._free.append(self._spec_uses.pop(spec)[0])

    def add_address(self, address: int, spec_id: int, where: str) -> None:
        """Store the spec id of the probe at an address. Raises AttachError."""
        key = address.to_bytes(8, "little")
        uses = self._address_uses.get(key)
        if uses is None:
            try:
                self._ids.update(key, spec_id.to_bytes(4, "little"), UpdateFlag.NOEXIST)
            except KernelError as error:
                raise AttachError.wrap(error, where) from None
            uses = self._address_uses[key] = [spec_id, 0]
        elif uses[0] != spec_id:
            why = "another probe has the same address, and this kernel has no cookies"
            raise AttachError(f"{where}: {why}", errno.EEXIST)
        uses[1] += 1

    def remove_address(self, address: int) -> None:
        """Delete the entry of an address if this was its last use. Raises KernelError."""
        key = address.to_bytes(8, "little")
        uses = self._address_uses[key]
        uses[1] -= 1
        if not uses[1]:
            del self._address_uses[key]
            self._ids.delete(key)


def of_collection(target: Target, where: str) -> UsdtMaps:
    """Return the maps of the target's collection. Raises AttachError if the object has none."""
    shared = {} if target.shared is None else target.shared
    usdt_maps = shared.get(_SPECS)
    if isinstance(usdt_maps, UsdtMaps):
        return usdt_maps
    try:
        usdt_maps = UsdtMaps(target.maps[_SPECS], target.maps[_IDS])
    except KeyError as missing:
        error = AttachError(f"{where}: the object has no map {missing}", errno.ESRCH)
        error.add_note("its C source must include <bpf/usdt.bpf.h>")
        raise error from None
    shared[_SPECS] = usdt_maps
    return usdt_maps
