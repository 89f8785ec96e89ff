"""A new map type: its row is all that the rest of beepy needs."""

import struct
from contextlib import closing

import pytest

from beepy import capability, map_types, maps, source
from beepy.analysis.describe import describe
from beepy.analysis.description import MapInfo
from beepy.btf.types import VOID
from beepy.errors import ElfError
from beepy.events.decoder import Decoder
from beepy.events.schemas import of_tracked
from beepy.kernel import samples
from beepy.map_types import MapKind, Sample
from beepy.maps.table import keywise_reader
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.uapi import MapType
from tests.support.objects import Object

pytestmark = pytest.mark.kernel

NEW = MapType.LRU_HASH  # the kernel has it; the tests begin without its rows


@pytest.fixture(autouse=True)
def _unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(map_types._KINDS, NEW)
    monkeypatch.delitem(maps.TABLE, NEW)


def image() -> Image:
    """One map of the new type: from u64 to u32."""
    one = Object()
    one.program()
    w = one.btf
    u64, u32 = w.integer("u64", 8, 0), w.integer("u32", 4, 0)
    numbers = [("type", w.ptr(w.array(1, NEW)), 0), ("max_entries", w.ptr(w.array(1, 16)), 64)]
    definition = w.struct("", 32, [*numbers, ("key", w.ptr(u64), 128), ("value", w.ptr(u32), 192)])
    one.maps(w.var("print_new", definition), names=["print_new"])
    data = one.data()
    return Image("new:1", "sha256:0", "", {}, len(data), "bee", {}, (data,))


def described(spec: CollectionSpec) -> MapInfo:
    (described_map,) = describe(image(), spec).maps
    return described_map


def test_without_a_row_the_type_is_unknown() -> None:
    with pytest.raises(ElfError, match=f"map 'print_new': type {NEW.value}: unknown"):
        maps.create(source.parse(image()).maps[0], None)


def test_a_row_and_a_reader_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = Sample(key_size=8, value_size=4, max_entries=16)
    monkeypatch.setitem(map_types._KINDS, NEW, MapKind(NEW, net_admin=True, smallest=smallest))
    monkeypatch.setitem(maps.TABLE, NEW, maps.MapOps(keywise_reader))
    spec = source.parse(image())
    (tracked,) = spec.tracked
    assert (described(spec).type, described(spec).not_shown) == ("lru_hash", None)
    assert [field.name for field in described(spec).fields] == ["key", "value"]
    assert samples.create_map(NEW, samples.sample(NEW)) == 0
    assert samples.sample(NEW) == smallest
    assert capability.to_create(NEW) == {"CAP_BPF", "CAP_NET_ADMIN"}
    with maps.create(spec.maps[0]._replace(key=VOID, value=VOID), None) as made:
        made.update(struct.pack("<Q", 7), struct.pack("<I", 8))
        reader = maps.reader(made, of_tracked(spec, tracked))
        assert reader
        with closing(reader):
            (batch,) = reader.read()
    decoder = Decoder(batch.schema)
    assert decoder.values(batch, decoder.fields) == [[7], [8]]


def test_a_row_alone_says_why_it_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(map_types._KINDS, NEW, MapKind(NEW, not_shown="{} is too new"))
    spec = source.parse(image())
    assert spec.tracked == ()
    assert described(spec).not_shown == "LRU_HASH is too new"
    assert "map 'print_new': not shown: LRU_HASH is too new" in caplog.text
    with maps.create(spec.maps[0]._replace(key=VOID, value=VOID), None) as made:
        assert made.type is NEW
