"""What libbpf's debug log has besides CO-RE: functions, maps, references, subprograms."""

import re
from typing import NamedTuple

_FUNCTION = re.compile(
    r"libbpf: sec '(?P<section>[^']*)': "
    r"found program '(?P<name>[^']*)' at insn offset (?P<offset>\d+) "
    r"\(\d+ bytes\), code size (?P<size>\d+) insns"
)
_MAP = re.compile(
    r"libbpf: map '(?P<map>[^']*)': found (?P<key>\w+) (?:\[\d+\], sz )?= (?P<number>\w+)\."
)
_DATA = re.compile(
    r"libbpf: map '(?P<map>[^']*)' \(global data\): "
    r"at sec_idx \d+, offset 0, flags (?P<flags>\w+)\."
)
_SLOT = re.compile(
    r"\.maps relo #\d+: map '(?P<map>[^']*)' "
    r"slot \[(?P<index>\d+)\] points to \w+ '(?P<name>[^']*)'"
)
_REF = re.compile(
    r"against '(?P<symbol>[^']*)'\n"
    r"libbpf: prog '(?P<name>[^']*)': found (?P<what>data map|arena map|map|extern) #?\d+ "
    r"(?:\((?P<map>[^,]*), sec \d+, off \d+\)|'[^']*' \([^)]*\)) for insn #?(?P<insn>\d+)"
)
_OPERATIONS = re.compile(
    r"struct_ops init: struct \w+\(type_id=\d+\) (?P<map>\S+) found at offset \d+"
)
_ADDED = re.compile(
    r"libbpf: prog '(?P<name>[^']*)': added (?P<size>\d+) insns from sub-prog '(?P<callee>[^']*)'"
)
_LICENSE = re.compile(r"^libbpf: license of .* is (.*)$", re.MULTILINE)


class Reference(NamedTuple):
    """A reference; ``what``: "map", "data map", "arena map" or "extern" (whose ``map`` is "").

    ``symbol`` is the relocation's.
    """

    what: str
    map: str
    symbol: str


class Opened(NamedTuple):
    """``functions``: (section, name, offset, instructions); ``refs`` by (function, instruction).

    ``maps``: libbpf's word for a property -> number, by the map's name; ``data``: flags of the maps
    of data, by section; ``added``: each program's subprograms, with their instructions, in their
    order.
    """

    license: str
    functions: set[tuple[str, str, int, int]]
    maps: dict[str, dict[str, int]]
    slots: set[tuple[str, int, str]]
    data: dict[str, int]
    refs: dict[tuple[str, int], Reference]
    added: dict[str, list[tuple[str, int]]]


def read(log: str) -> Opened:
    """Return what a debug log of libbpf says of the object."""
    maps: dict[str, dict[str, int]] = {}
    for found in _MAP.finditer(log):
        key = found["key"]
        # key and value: sizes of types; key_size and value_size: plain numbers
        maps.setdefault(found["map"], {})[f"{key}_size" if key in ("key", "value") else key] = int(
            found["number"], 0
        )
    maps |= {found["map"]: {} for found in _OPERATIONS.finditer(log)}
    refs = {}
    for found in _REF.finditer(log):
        name = found["map"] or ""
        name = _section(name) if found["what"] == "data map" else name
        refs[found["name"], int(found["insn"])] = Reference(found["what"], name, found["symbol"])
    added: dict[str, list[tuple[str, int]]] = {}
    for found in _ADDED.finditer(log):
        added.setdefault(found["name"], []).append((found["callee"], int(found["size"])))
    license_ = _LICENSE.search(log)
    return Opened(
        license_[1] if license_ else "",
        {
            (one["section"], one["name"], int(one["offset"]), int(one["size"]))
            for one in _FUNCTION.finditer(log)
        },
        maps,
        {(one["map"], int(one["index"]), one["name"]) for one in _SLOT.finditer(log)},
        {_section(one["map"]): int(one["flags"], 16) for one in _DATA.finditer(log)},
        refs,
        added,
    )


def _section(name: str) -> str:
    """Return ``.rodata`` of ``object.rodata``."""
    return name[name.index(".") :]
