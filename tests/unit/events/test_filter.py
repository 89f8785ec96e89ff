import struct

import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.filter import Filter, check
from beepy.events.regex import SYNTAX
from tests.support.events import Exits, decode, ring, snapshot, table
from tests.support.told import notes

EXITS = Exits("exits").schema


def exits(*comms: bytes) -> Batch:
    return ring(EXITS, [Exits.record(comm, pid=pid) for pid, comm in enumerate(comms)])


def pids(batch: Batch) -> object:
    return decode(EXITS, batch)["pid"]


@pytest.mark.parametrize("name", ["exits,comm", "comm"])
@pytest.mark.parametrize(
    ("regex", "matching"),
    [
        ("bash", b"bash"),
        ("a{1,2}$", b"zaa"),
        ('"a{1,2}$"', b"zaa"),
        ('"say ""no"", or"', b'say "no", or'),
        ('"open', b'"open'),
        ('a"b"', b'a"b"'),
    ],
)
def test_a_regex_may_hold_commas_and_quotes(name: str, regex: str, matching: bytes) -> None:
    assert pids(Filter([f"{name},{regex}"], [Decoder(EXITS)]).apply(exits(b"no", matching))) == [1]


def test_an_empty_regex_matches_all() -> None:
    batch = exits(b"bash", b"")
    assert Filter(["exits,comm,"], [Decoder(EXITS)]).apply(batch) is batch
    assert Filter(["comm,"], [Decoder(EXITS)]).apply(batch) is batch


@pytest.mark.parametrize(
    ("text", "note"), [("bash", "-f comm,bash"), ("pid=^1$", "-f 'pid,^1$'"), ("=x", "-f comm,=x")]
)
def test_a_filter_without_a_comma_is_refused_with_a_proposal(text: str, note: str) -> None:
    with pytest.raises(UsageError) as caught:
        check([text])
    assert str(caught.value) == f"filter '{text}': expected map,field,regex or field,regex"
    assert notes(caught.value) == [note]


@pytest.mark.parametrize("text", ["", "m", ",comm,x"])
def test_a_filter_of_less_than_two_parts_is_refused(text: str) -> None:
    for wrong in (lambda: check([text]), lambda: Filter([text], [Decoder(EXITS)])):
        with pytest.raises(UsageError) as caught:
            wrong()
        assert str(caught.value) == f"filter '{text}': expected map,field,regex or field,regex"


@pytest.mark.parametrize("text", ["a,b,(", "a,(", "a,,("])
def test_text_that_cannot_contain_a_regex_is_refused_without_maps(text: str) -> None:
    with pytest.raises(UsageError, match=r"regex ',?\(': "):
        check([text])


@pytest.mark.parametrize("text", ["a,b", "a,(x,y)", "a,b,(x)", "a,b,", "a,,"])
def test_text_that_may_contain_a_regex_is_accepted_without_maps(text: str) -> None:
    check([text])


def test_rows_that_match_stay() -> None:
    batch = exits(b"bash", b"sh", b"zsh", b"cat")._replace(lost=2)
    found = Filter(["exits,comm,^z?sh$"], [Decoder(EXITS)]).apply(batch)
    assert pids(found) == [1, 2]
    assert (found.records, found.lost) == (2, 2)


def test_filters_on_one_map_are_anded() -> None:
    batch = exits(b"bash", b"sh", b"zsh")
    assert pids(Filter(["exits,comm,sh", "exits,pid,^[02]$"], [Decoder(EXITS)]).apply(batch)) == [
        0,
        2,
    ]
    assert pids(Filter(["exits,comm,sh", "exits,comm,^b"], [Decoder(EXITS)]).apply(batch)) == [0]


def test_a_batch_of_which_all_rows_match_is_the_same_batch() -> None:
    batch = exits(b"bash", b"sh")
    assert Filter(["exits,comm,sh"], [Decoder(EXITS)]).apply(batch) is batch
    assert Filter([], [Decoder(EXITS)]).apply(batch) is batch
    nothing = Filter(["exits,comm,python"], [Decoder(EXITS)]).apply(batch)
    assert (nothing.records, nothing.parts[0].raw) == (0, b"")
    assert Filter(["exits,comm,x"], [Decoder(EXITS)]).apply(nothing) is nothing


def test_the_text_is_gos_before_it_is_made_safe() -> None:
    batch = exits(b"\x1b[31m", b"a\xff", b"[/]", b"a b")
    assert pids(Filter(["exits,comm,\x1b"], [Decoder(EXITS)]).apply(batch)) == [0]
    assert pids(Filter([r"exits,comm,^a\\xff$"], [Decoder(EXITS)]).apply(batch)) == [1]
    assert pids(Filter([r"exits,comm,^\[/\]$"], [Decoder(EXITS)]).apply(batch)) == [2]


def test_a_filter_on_one_map_leaves_other_maps_alone() -> None:
    other = Exits("other").schema
    batch = ring(other, [Exits.record(b"bash")])
    assert Filter(["exits,comm,none"], [Decoder(EXITS), Decoder(other)]).apply(batch) is batch


def test_tables_keep_keys_and_values_together() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, u32, w.typedef("duration", w.integer("u64", 8, 0)), 4, 8, name="took")
    batch = snapshot(
        schema, [(struct.pack("<I", n), struct.pack("<Q", n * 1_500_000)) for n in range(4)]
    )
    assert decode(schema, Filter(["took,value,^[13].5ms$"], [Decoder(schema)]).apply(batch)) == {
        "key": [1],
        "value": [1_500_000],
    }
    assert decode(schema, Filter(["took,key,[23]"], [Decoder(schema)]).apply(batch)) == {
        "key": [2, 3],
        "value": [3_000_000, 4_500_000],
    }


def test_rows_of_one_cpu() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, u32, w.enum("e", {"A": 1, "B": 2}), 4, 4, cpus=2, name="state")
    batch = snapshot(
        schema,
        [(bytes(4), struct.pack("<I4xI4x", 1, 2)), (b"\1\0\0\0", struct.pack("<I4xI4x", 2, 2))],
    )
    found = Filter(["state,value,B"], [Decoder(schema)]).apply(batch)
    assert decode(schema, found) == {"key": [0, 1, 1], "cpu": [1, 0, 1], "value": ["B", "B", "B"]}


def test_a_label_names_a_field_too() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, w.struct("k", 4, [("map", u32, 0)]), u32, 4, 4, name="m")
    batch = snapshot(schema, [(b"\1\0\0\0", b"\5\0\0\0")])
    for name in ("map", "map_"):
        assert Filter([f"m,{name},1"], [Decoder(schema)]).apply(batch) is batch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exits,comm,a(", r"regex 'a\(': missing \): a\("),
        ("exits,comm,[[a]", None),
        ("exits,comm,(?P<x>" + "(" * 500, "regex"),
        ("exits,comm,a{99999}", "regex"),
        ("exits,comm,\udcff", r"regex '\\xff': not UTF-8"),
        ("exits,comm,(?\x1b)", r"regex '\(\?\\x1b\)': invalid perl operator: \(\?\\x1b"),
    ],
)
def test_a_malformed_regex_is_refused(text: str, message: str | None) -> None:
    if message is None:
        assert Filter([text], [Decoder(EXITS)])
        return
    with pytest.raises(UsageError, match=message) as caught:
        Filter([text], [Decoder(EXITS)])
    assert "\n" not in str(caught.value)
    assert caught.value.__notes__ == [SYNTAX]
