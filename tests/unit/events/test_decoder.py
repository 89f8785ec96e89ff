import struct

import pytest

from beepy.btf.writer import BtfWriter, Member
from beepy.errors import DecodeError
from beepy.events.batch import Part
from beepy.events.decoder import Decoder
from beepy.events.memo import Memo
from tests.support.events import Exits, decode, ring, snapshot, stream, table, texts


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1000])
def test_runs_of_any_length(count: int) -> None:
    schema = Exits().schema
    batch = ring(
        schema,
        [Exits.record(b"c%d" % n, pid=n, exit_code=-n, start_time=n << 40) for n in range(count)],
    )
    found = decode(schema, batch)
    assert found["pid"] == list(range(count))
    assert found["exit_code"] == [-n for n in range(count)]
    assert found["start_time"] == [n << 40 for n in range(count)]
    assert found["comm"] == [f"c{n}" for n in range(count)]
    assert texts(schema, batch)["exit_code"] == [str(-n) for n in range(count)]


def test_the_wanted_fields_are_decoded_in_the_wanted_order() -> None:
    decoder = Decoder(Exits().schema)
    by_name = {field.name: field for field in decoder.fields}
    batch = ring(decoder.schema, [Exits.record(b"a", pid=1), Exits.record(b"b", pid=2)])
    wanted = [by_name["comm"], by_name["pid"], by_name["comm"]]
    assert decoder.values(batch, wanted) == [["a", "b"], [1, 2], ["a", "b"]]
    assert decoder.texts(batch, wanted) == [["a", "b"], ["1", "2"], ["a", "b"]]
    assert decoder.values(batch, []) == []


def test_offsets_are_those_of_the_members_not_sums_of_sizes() -> None:
    w = BtfWriter()
    sizes = [
        ("a", w.integer("_Bool", 1, 4), 0),
        ("b", w.integer("u8", 1, 0), 8),
        ("c", w.integer("u16", 2, 0), 16),
    ]
    schema = stream(
        w,
        w.struct(
            "s", 24, [*sizes, ("d", w.integer("u64", 8, 0), 128), ("e", w.integer("u32", 4, 0), 32)]
        ),
    )
    raw = struct.pack("<?BHI8xQ", True, 200, 16725, 5, 1 << 63)
    assert decode(schema, ring(schema, [raw, raw])) == {
        "a": [True] * 2,
        "b": [200] * 2,
        "c": [16725] * 2,
        "d": [1 << 63] * 2,
        "e": [5] * 2,
    }


def test_a_union_shows_every_member() -> None:
    w = BtfWriter()
    u32, f64 = w.integer("u32", 4, 0), w.real("double", 8)
    text = w.array(w.integer("char", 1), 8)
    either = w.union(
        "either",
        8,
        [
            ("low", u32, 0),
            ("real", f64, 0),
            ("text", text, 0),
            ("same", u32, 0),
            ("none", w.array(u32, 0), 0),
        ],
    )
    schema = stream(
        w, w.struct("s", 24, [("before", u32, 0), ("it", either, 64), ("after", u32, 128)])
    )
    raw = struct.pack("<I4x8sI4x", 1, b"ABCDEFG", 2)
    assert decode(schema, ring(schema, [raw])) == {
        "before": [1],
        "it.low": [0x44434241],
        "it.real": [struct.unpack("<d", b"ABCDEFG\0")[0]],
        "it.text": ["ABCDEFG"],
        "it.same": [0x44434241],
        "it.none": [()],
        "after": [2],
    }


def test_bytes_after_the_type_are_ignored() -> None:
    schema = Exits().schema
    batch = ring(schema, [Exits.record(b"x", pid=n) + b"tail that is longer" for n in range(5)])
    assert decode(schema, batch)["pid"] == [0, 1, 2, 3, 4]
    assert Decoder(schema).raw(batch) == [Exits.record(b"x", pid=n) for n in range(5)]


def test_batches_of_many_lengths() -> None:
    schema = Exits().schema
    decoder = Decoder(schema)
    for tail in range(0, 8 * 200, 8):
        batch = ring(schema, [Exits.record(pid=tail) + bytes(tail)] * 3)
        assert decoder.values(batch, decoder.fields[2:3]) == [[tail] * 3]


def test_a_last_record_without_its_padding() -> None:
    w = BtfWriter()
    schema = stream(
        w, w.struct("s", 5, [("a", w.integer("u32", 4, 0), 0), ("b", w.integer("u8", 1, 0), 32)])
    )
    batch = ring(schema, [b"\1\0\0\0\2"] * 3)
    (part,) = batch.parts
    batch = batch._replace(parts=(part._replace(raw=part.raw[:-3]),))
    assert decode(schema, batch) == {"a": [1, 1, 1], "b": [2, 2, 2]}
    assert Decoder(schema).raw(batch) == [b"\1\0\0\0\2"] * 3


def test_a_batch_that_does_not_fit_is_a_decode_error() -> None:
    schema = Exits().schema
    decoder = Decoder(schema)
    good = ring(schema, [Exits.record()] * 2)
    for length in (56, 40):
        for part in (Part(good.parts[0].raw[:100], 64, 8), Part(good.parts[0].raw, 40, 8)):
            batch = good._replace(parts=(part,), length=length)
            with pytest.raises(DecodeError, match="map 'print_exits': "):
                decoder.values(batch, decoder.fields)
            with pytest.raises(DecodeError, match="map 'print_exits': "):
                decoder.raw(batch)


def test_a_short_record_has_the_members_that_are_completely_in_it() -> None:
    schema = Exits().schema
    whole = Exits.record(b"bash-completion", pid=7, exit_code=3)
    for length in range(57):
        found = {
            name: value for name, (value,) in decode(schema, ring(schema, [whole[:length]])).items()
        }
        expected: dict[str, object] = dict.fromkeys(found)
        for name, value, end in (
            *(("start_time", 10, 8), ("exit_time", 15, 16), ("pid", 7, 20), ("tid", 7, 24)),
            *(("ppid", 1, 28), ("sig", 0, 32), ("exit_code", 3, 36)),
        ):
            expected[name] = value if length >= end else None
        expected["comm"] = "bash-completion"[: length - 36] if length > 36 else None
        assert found == expected
        shown = {
            name: text for name, (text,) in texts(schema, ring(schema, [whole[:length]])).items()
        }
        assert shown == {
            name: "" if value is None else str(value) for name, value in expected.items()
        }
        assert Decoder(schema).raw(ring(schema, [whole[:length]])) == [whole[:length]]


def test_a_short_record_of_bits_unions_and_lists() -> None:
    w = BtfWriter()
    u8, u32 = w.integer("unsigned char", 1, 0), w.integer("unsigned int", 4, 0)
    union = w.union("", 8, [("small", u8, 0), ("large", w.integer("u64", 8, 0), 0)])
    first: list[Member] = [("bits", u32, 0, 3), ("more", u32, 3, 9), ("", union, 64)]
    second: list[Member] = [("list", w.array(u32, 2), 128), ("mac", w.array(u8, 4), 192)]
    schema = stream(w, w.struct("s", 28, [*first, *second]))
    record = struct.pack("<I4xQ2I4s", 0b101 | 300 << 3, 0x1FF, 1, 2, b"\xde\xad\xbe\xef")
    for length, bits, more, small, large, numbers, mac in (
        (1, 5, None, None, None, None, None),
        (2, 5, 300, None, None, None, None),
        (9, 5, 300, 255, None, None, None),
        (23, 5, 300, 255, 511, None, None),
        (24, 5, 300, 255, 511, (1, 2), None),
        (26, 5, 300, 255, 511, (1, 2), "dead"),
        (28, 5, 300, 255, 511, (1, 2), "deadbeef"),
    ):
        assert decode(schema, ring(schema, [record[:length]])) == {
            "bits": [bits],
            "more": [more],
            "small": [small],
            "large": [large],
            "list": [numbers],
            "mac": [mac],
        }


def test_an_array_without_a_length_extends_to_the_end_of_the_record() -> None:
    w = BtfWriter()
    u8, u16 = w.integer("unsigned char", 1, 0), w.integer("unsigned short", 2, 0)
    pair = w.struct("pair", 3, [("a", u8, 0), ("b", u16, 8)])
    for element, tail, value, text in (
        (w.integer("char", 1), b"hello\0rest", "hello", "hello"),
        (w.integer("char", 1), b"hello", "hello", "hello"),
        (w.integer("char", 1), b"", "", ""),
        (u8, b"\0\1\2", "000102", "000102"),
        (u16, b"\1\0\2\0\3", (1, 2), "[1 2]"),
        (u16, b"", (), "[]"),
        (pair, b"\1\2\0\3\4\0\5", ({"a": 1, "b": 2}, {"a": 3, "b": 4}), "[{1 2} {3 4}]"),
    ):
        members = [
            ("n", w.integer("u64", 8, 0), 0),
            ("more", u8, 64),
            ("data", w.array(element, 0), 72),
        ]
        schema = stream(w, w.struct("s", 16, members))
        record = struct.pack("<QB", 7, 1) + tail
        batch = ring(schema, [record] * 3)
        assert decode(schema, batch) == {"n": [7] * 3, "more": [1] * 3, "data": [value] * 3}
        assert texts(schema, batch)["data"] == [text] * 3
        assert Decoder(schema).raw(batch) == [record] * 3
        assert decode(schema, ring(schema, [record[:8]])) == {
            "n": [7],
            "more": [None],
            "data": [None],
        }


def test_a_batch_that_says_that_time_has_passed() -> None:
    """As the stream makes it: without records, of which the end would matter."""
    w = BtfWriter()
    rest = w.array(w.integer("char", 1), 0)
    schema = stream(w, w.struct("event", 4, [("pid", w.integer(), 0), ("rest", rest, 32)]))
    batch = ring(schema, [])._replace(parts=(Part(b"", 0, 0),))
    assert decode(schema, batch) == {"pid": [], "rest": []}
    assert Decoder(schema).raw(batch) == []


def test_a_record_that_is_an_array_without_a_length() -> None:
    w = BtfWriter()
    schema = stream(w, w.array(w.integer("char", 1), 0))
    assert decode(schema, ring(schema, [b"one"])) == {"value": ["one"]}
    assert decode(schema, ring(schema, [b""])) == {"value": [""]}


def test_tables() -> None:
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    key = w.struct("key", 24, [("pid", u32, 0), ("comm", w.array(w.integer("char", 1), 16), 64)])
    schema = table(w, key, u64, 24, 8)
    batch = snapshot(
        schema,
        [(struct.pack("<I4x16s", n, b"c%d" % n), struct.pack("<Q", n * n)) for n in range(300)],
    )
    assert decode(schema, batch) == {
        "pid": list(range(300)),
        "comm": [f"c{n}" for n in range(300)],
        "value": [n * n for n in range(300)],
    }
    assert Decoder(schema).raw(batch)[7] == struct.pack("<I4x16s", 7, b"c7")


@pytest.mark.parametrize(("size", "signed"), [(8, 0), (4, 0), (8, 1), (16, 0)])
def test_per_cpu_integers_are_summed_exactly(size: int, signed: int) -> None:
    w = BtfWriter()
    u32, value = w.integer("u32", 4, 0), w.integer("it", size, signed)
    schema = table(w, u32, value, 4, size, cpus=3)
    most = (1 << 8 * size - signed) - 1
    slots = [
        (number.to_bytes(size, "little")).ljust(-(-size // 8) * 8, b"\xcc")
        for number in (most, 1, most)
    ]
    batch = snapshot(
        schema, [(b"\1\0\0\0", b"".join(slots)), (b"\2\0\0\0", b"".join(slots[1:2] * 3))]
    )
    assert decode(schema, batch) == {"key": [1, 2], "value": [2 * most + 1, 3]}
    assert texts(schema, batch) == {"key": ["1", "2"], "value": [str(2 * most + 1), "3"]}


def test_per_cpu_durations_are_summed_before_they_are_text() -> None:
    w = BtfWriter()
    schema = table(
        w, w.integer("u32", 4, 0), w.typedef("duration", w.integer("u64", 8, 0)), 4, 8, cpus=2
    )
    batch = snapshot(schema, [(bytes(4), struct.pack("<2Q", 1_000_000, 500_000))])
    assert texts(schema, batch) == {"key": ["0"], "value": ["1.5ms"]}
    decoder = Decoder(schema)
    assert decoder.values(batch, decoder.fields) == [[0], [1_500_000]]


def test_other_per_cpu_values_have_a_row_for_each_cpu() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    pair = w.struct("pair", 12, [("a", u32, 0), ("b", w.array(u32, 2), 32)])
    schema = table(w, u32, pair, 4, 12, cpus=2)
    slots = [struct.pack("<3I4x", n, n + 1, n + 2) for n in (10, 20, 30, 40)]
    batch = snapshot(
        schema, [(b"\1\0\0\0", slots[0] + slots[1]), (b"\2\0\0\0", slots[2] + slots[3])]
    )
    assert decode(schema, batch) == {
        "key": [1, 1, 2, 2],
        "cpu": [0, 1, 0, 1],
        "value.a": [10, 20, 30, 40],
        "value.b": [(11, 12), (21, 22), (31, 32), (41, 42)],
    }


def test_rows_come_as_flat_tuples_whatever_the_layout() -> None:
    exits = Exits().schema
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    overlapping = stream(w, w.union("u", 4, [("a", u32, 0), ("b", w.integer("u8", 1, 0), 0)]))
    batches = [
        (exits, ring(exits, [Exits.record(b"n", pid=n) for n in range(700)])),
        (overlapping, ring(overlapping, [struct.pack("<I", n) for n in range(3000)])),
    ]
    for schema, batch in batches:
        decoder = Decoder(schema)
        width = len(decoder.fields)
        columns = decoder.values(batch, decoder.fields)
        rows = list(decoder.view(decoder.fields, lambda _: None).rows(batch))
        flat = [value for values, _ in rows for value in values]
        assert sum(count for _, count in rows) == batch.records
        assert all(len(values) == count * width for values, count in rows)
        assert [flat[at::width] for at in range(width)] == columns


def test_rows_without_fields_are_counted() -> None:
    w = BtfWriter()
    schema = stream(w, w.struct("nothing", 0))
    batch = ring(schema, [b""] * 5000)
    assert sum(count for _, count in Decoder(schema).view((), lambda _: None).rows(batch)) == 5000


def test_an_array_larger_than_a_block() -> None:
    w = BtfWriter()
    schema = stream(w, w.array(w.integer("u64", 8, 0), 5000))
    batch = ring(schema, [struct.pack("<5000Q", *range(5000))] * 2)
    assert decode(schema, batch)["value"] == [tuple(range(5000))] * 2


def test_a_memo_is_bounded() -> None:
    made: list[object] = []

    def make(key: object) -> str:
        made.append(key)
        return str(key)

    memo = Memo(make)
    assert [memo[1], memo[1]] == ["1", "1"]
    assert made == [1]
    for key in range(20_000):
        assert memo[key] == str(key)
    assert len(memo) <= 8192


def test_a_memo_with_large_keys_is_bounded() -> None:
    memo = Memo(len)
    for number in range(3000):
        assert memo[number.to_bytes(2, "little") * 2048] == 4096
    assert 1 < len(memo) <= 256
    assert memo[bytes(2 << 20)] == 2 << 20
    assert len(memo) == 1


def test_a_short_record_of_a_type_of_gigabytes() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = stream(w, w.struct("large", (1 << 31) - 1, [("a", u32, 0), ("b", u32, 32)]))
    assert decode(schema, ring(schema, [struct.pack("<I", 7)])) == {"a": [7], "b": [None]}
