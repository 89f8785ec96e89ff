import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from beepy.events.fields import Field, fields, is_summed
from tests.support.events import Exits, stream, table


def named(schema: Schema) -> list[str]:
    return [field.name for field in fields(schema)]


def by_name(schema: Schema) -> dict[str, Field]:
    return {field.name: field for field in fields(schema)}


def test_fields_are_in_the_order_of_the_struct_with_their_offsets() -> None:
    found = fields(Exits().schema)
    assert [(field.name, field.label, field.offset, field.bits, field.part) for field in found] == [
        ("start_time", "start_time", 0, 64, 0),
        ("exit_time", "exit_time", 64, 64, 0),
        ("pid", "pid", 128, 32, 0),
        ("tid", "tid", 160, 32, 0),
        ("ppid", "ppid", 192, 32, 0),
        ("sig", "sig", 224, 32, 0),
        ("exit_code", "exit_code", 256, 32, 0),
        ("comm", "comm", 288, 128, 0),
    ]
    assert [field.codec.number for field in found] == [True] * 7 + [False]


def test_structs_nest_and_anonymous_ones_are_inlined() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    port = w.struct("", 4, [("port", u32, 0)])
    either = w.union("", 8, [("v4", u32, 0), ("v6", u64, 0), ("", port, 32)])
    to = w.struct("peer", 16, [("", either, 0), ("mark", u32, 64, 12)])
    schema = stream(
        w, w.const(w.typedef("event_t", w.struct("event", 24, [("id", u32, 0), ("to", to, 64)])))
    )
    found = by_name(schema)
    assert {
        name: (field.label, field.path, field.offset, field.bits) for name, field in found.items()
    } == {
        "id": ("id", ("id",), 0, 32),
        "to.v4": ("to_v4", ("to", "v4"), 64, 32),
        "to.v6": ("to_v6", ("to", "v6"), 64, 64),
        "to.port": ("to_port", ("to", "port"), 96, 32),
        "to.mark": ("to_mark", ("to", "mark"), 128, 12),
    }


def test_a_name_that_exists_already_gets_an_underscore() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    inner = w.struct("a", 8, [("b", u32, 0), ("map", u32, 32)])
    members = [
        ("map", u32, 0),
        ("time", u32, 32),
        ("a", inner, 64),
        ("a_b", u32, 128),
        ("map_", u32, 160),
    ]
    found = fields(stream(w, w.struct("s", 24, members)))
    assert [field.name for field in found] == ["map_", "time_", "a.b", "a.map", "a_b", "map__"]
    assert [field.path for field in found][2:4] == [("a", "b"), ("a", "map")]
    assert [field.label for field in found] == ["map", "time", "a_b", "a_map", "a_b_", "map_"]


def test_names_that_no_compiler_writes_stay_distinct() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    inner = w.struct("a", 4, [("b", u32, 0)])
    assert named(
        stream(
            w, w.struct("s", 16, [("a.b", u32, 0), ("a", inner, 32), ("", u32, 64), ("", u32, 96)])
        )
    ) == [
        "a.b",
        "a.b_",
        "_",
        "__",
    ]


def test_a_record_need_not_be_a_struct() -> None:
    w = BtfWriter()
    assert named(stream(w, w.typedef("word", w.integer()))) == ["value"]
    assert named(stream(w, w.array(w.integer(), 4))) == ["value"]
    assert named(stream(w, w.union("u", 4, [("a", 1, 0), ("b", 1, 0)]))) == ["a", "b"]
    assert named(stream(w, w.struct("nothing", 0))) == []


def test_a_table_has_the_members_of_its_key_then_value() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    key = w.struct("key", 8, [("pid", u32, 0), ("value", u32, 32)])
    pair = w.struct("pair", 16, [("count", u64, 0), ("time", u64, 64)])
    assert named(table(w, key, u64, 8, 8)) == ["pid", "value", "value_"]
    assert named(table(w, key, pair, 8, 16)) == ["pid", "value", "value_.count", "value_.time"]
    assert named(table(w, u32, u64, 4, 8)) == ["key", "value"]
    assert [field.part for field in fields(table(w, key, pair, 8, 16))] == [0, 0, 1, 1]


def test_a_per_cpu_table_has_a_cpu_unless_its_values_are_summed() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    pair = w.struct("pair", 16, [("count", u64, 0), ("time", u64, 64)])
    clash = w.struct("key", 4, [("cpu", u32, 0)])
    assert named(table(w, u32, u64, 4, 8, cpus=4)) == ["key", "value"]
    assert named(table(w, u32, pair, 4, 16, cpus=4)) == ["key", "cpu", "value.count", "value.time"]
    assert named(table(w, clash, pair, 4, 16, cpus=4)) == [
        "cpu",
        "cpu_",
        "value.count",
        "value.time",
    ]


@pytest.mark.parametrize(
    ("what", "summed"),
    [
        ("u64", True),
        ("typedef", True),
        ("duration", True),
        ("ipv4_addr", False),
        ("bool", False),
        ("enum", False),
    ],
)
def test_integers_of_cpus_are_summed(what: str, summed: bool) -> None:
    w = BtfWriter()
    u64, u32 = w.integer("u64", 8, 0), w.integer("u32", 4, 0)
    match what:
        case "u64":
            value = w.const(u64)
        case "typedef":
            value = w.typedef("counter_t", u64)
        case "duration":
            value = w.typedef("duration", u64)
        case "ipv4_addr":
            value = w.typedef("ipv4_addr", u32)
        case "bool":
            value = w.integer("_Bool", 1, 4)
        case _:
            value = w.enum("e", {"A": 1})
    assert is_summed(table(w, u32, value, 4, 8, cpus=2)) is summed
    assert not is_summed(table(w, u32, value, 4, 8))
