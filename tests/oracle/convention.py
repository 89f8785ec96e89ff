"""Take bee's conventions out of an object, so that libbpf can load it; no offset changes.

libbpf creates a ring buffer with the size of the type that bee names as its value, which the kernel
refuses, and it knows no section ``.maps.print``.
"""

from collections.abc import Iterator

from beepy.btf.btf import Btf
from beepy.btf.types import Array, DataSec, Ptr, Struct, TypeId, Var
from beepy.uapi import MapType

# Magic, version, flags, hdr_len (that of .BTF.ext is larger).
_BTF = bytes.fromhex("9feb 01 00 18000000")
_STREAMS = (MapType.RINGBUF, MapType.PERF_EVENT_ARRAY)


def plain(data: bytes) -> bytes:
    """Return the object with all maps in ``.maps``, and ring buffers without value type."""
    for role in (b"print", b"counter", b"gauge"):
        data = data.replace(b".maps." + role + b"\0", b".maps\0" + role + b"\0")
    if (start := data.find(_BTF)) < 0:
        return data
    edited = _without_records(Btf(data[start:])).data
    return data[:start] + edited


def _without_records(btf: Btf) -> Btf:
    """Make the member ``value`` of every ring buffer's definition a repeated ``type``."""
    words: dict[tuple[TypeId, int], int] = {}
    for struct_id, struct in _definitions(btf):
        members = {member.name: (at, member.type) for at, member in enumerate(struct.members)}
        if "value" not in members or _number(btf, members["type"][1]) not in _STREAMS:
            continue
        first = btf._at(struct_id)
        source, target = (3 + 3 * members[name][0] for name in ("type", "value"))
        # The words name_off and type.
        words |= {(struct_id, target + word): btf._words[first + source + word] for word in (0, 1)}
    return btf.with_words(words)


def _definitions(btf: Btf) -> Iterator[tuple[TypeId, Struct]]:
    for type_id in btf.named(".maps"):
        section = btf.type(type_id)
        assert isinstance(section, DataSec)
        for info in section.vars:
            variable = btf.type(info.type)
            assert isinstance(variable, Var)
            struct = btf.type(variable.type)
            assert isinstance(struct, Struct)
            yield variable.type, struct


def _number(btf: Btf, type_id: TypeId) -> int:
    """Return N of ``int (*)[N]``."""
    pointer = btf.type(type_id)
    assert isinstance(pointer, Ptr)
    array = btf.type(pointer.type)
    assert isinstance(array, Array)
    return array.nelems
