"""Derived fields: computed from others, and there for every output that asks for them."""

import csv
import json
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import beepy
from beepy import outputs
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events import choice, derived
from beepy.events.arrow import to_arrow
from beepy.events.batch import Batch, Machine, Place, Schema, Subject
from beepy.events.clock import SECOND, Clock
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.row import Rows
from beepy.events.slots import Slots
from beepy.events.stats import RunStats
from beepy.events.top import Top, Wanted
from beepy.events.where import Where
from beepy.obj.spec import Role
from beepy.outputs import metric_options
from beepy.outputs.prometheus import Prometheus
from tests.support.command import ROOT
from tests.support.events import TIME_NS, Exits, ring, snapshot, stream, table, with_role

BOOTED = TIME_NS - 100 * SECOND
ASKED: list[Subject] = []


def place(subject: Subject) -> Place:
    ASKED.append(subject)
    if subject.pid == 42 or subject.cgroup_id == 7:
        return Place("/system.slice/docker-1.scope", "web", "cart-0", "shop", "docker-1.scope")
    return Place()


MACHINE = Machine(
    user=lambda n: "" if n else "root",
    exe=lambda s: f"/bin/{s.pid}" if s.pid == 42 else "",
    place=place,
)
CLOCK = Clock(lambda number: TIME_NS if number == time.CLOCK_REALTIME else 100 * SECOND)


EXITS: Schema = Exits().schema._replace(machine=MACHINE, clock=CLOCK)


def batch() -> Batch:
    """A process that lived for 2 s and is in a container, and one of which nothing is known."""
    records = [Exits.record(b"bash", 42, -1), Exits.record(b"sh", 43)]
    times = struct.pack("<QQ", 90 * SECOND, 92 * SECOND)
    return ring(EXITS, [times + records[0][16:], bytes(8) + times[8:] + records[1][16:]])


def record(members: Sequence[tuple[str, int]], values: Sequence[int]) -> tuple[Decoder, Batch]:
    """A record of unsigned integers, of so many bytes each."""
    w = BtfWriter()
    shape, at = [], 0
    for name, size in members:
        shape.append((name, w.integer(f"u{8 * size}", size, 0), 8 * at))
        at += size
    schema = stream(w, w.struct("event", at, shape))._replace(machine=MACHINE, clock=CLOCK)
    raw = b"".join(
        [value.to_bytes(size, "little") for (_, size), value in zip(members, values, strict=True)]
    )
    return Decoder(schema), ring(schema, [raw])


def value(decoder: Decoder, rows: Batch, name: str) -> Value:
    field = decoder.named(name)
    assert field
    ((only,),) = decoder.values(rows, [field])
    return only


def shown(output: str, source: str, path: Path) -> str:
    decoder = Decoder(EXITS)
    choice.apply([source], [decoder])
    fd = os.open(path / output, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    try:
        sink = outputs.make(output, fd)
        sink.open([decoder])
        sink.write(batch())
        sink.close()
    finally:
        os.close(fd)
    return (path / output).read_text()


def test_json_has_them_after_the_members_of_the_record(tmp_path: Path) -> None:
    first, second = map(json.loads, shown("json", "+age,+container", tmp_path).splitlines())
    assert list(first)[-3:] == ["comm", "age", "container"]
    assert (first["age"], first["container"]) == (2 * SECOND, "web")
    assert (second["age"], second["container"]) == (None, None)
    only = json.loads(shown("json", "pod,pid", tmp_path).splitlines()[0])
    assert list(only.items())[2:] == [("pod", "cart-0"), ("pid", 42)]


def test_csv_leaves_empty_what_is_not_known(tmp_path: Path) -> None:
    header, *rows = csv.reader(shown("csv", "comm,age,namespace", tmp_path).splitlines())
    assert header[2:] == ["comm", "age", "namespace"]
    assert [row[2:] for row in rows] == [["bash", "2000000000", "shop"], ["sh", "", ""]]


@pytest.mark.parametrize("output", ["columns", "wide"])
def test_columns_show_durations_and_names(output: str, tmp_path: Path) -> None:
    header, first, second = shown(output, "pid,age,container,unit", tmp_path).splitlines()
    assert header.split()[1:] == ["pid", "age", "container", "unit"]
    assert first.split()[1:] == ["42", "2s", "web", "docker-1.scope"]
    assert second.split()[1:] == ["43"]


def test_arrow_has_nulls() -> None:
    pytest.importorskip("nanoarrow")
    decoder = Decoder(EXITS)
    choice.apply(["+age,+container"], [decoder])
    rows = to_arrow(decoder, [batch()]).to_pylist()
    assert [(row["age"], row["container"]) for row in rows] == [(2 * SECOND, "web"), (None, None)]
    assert "int64" in str(to_arrow(decoder, [batch()]).schema)


def test_rows_of_python_have_them_by_name() -> None:
    decoder = Decoder(EXITS)
    choice.apply(["pid,exe"], [decoder])
    rows = Rows(batch(), decoder)
    assert [row.exe for row in rows] == ["/bin/42", None]
    assert rows.columns() == {"pid": [42, 43], "exe": ["/bin/42", None]}
    assert rows.column("age") == [2 * SECOND, None]
    with pytest.raises(KeyError):
        rows.column("aeg")


@pytest.mark.parametrize(
    ("expression", "pids"),
    [
        ("age > 10ms", [42]),
        ("age < 10ms", []),
        ('age > 10ms and container == "web"', [42]),
        ("container is null", [43]),
        ('not container ~ "w"', []),
        ('exe in ("/bin/42", "x") or pid == 43', [42, 43]),
        ('print_exits: unit ~ "^docker" and comm == "bash"', [42]),
    ],
)
def test_where_compares_them(expression: str, pids: list[int]) -> None:
    decoder = Decoder(EXITS)
    kept = Where([expression], [decoder]).apply(batch())
    assert decoder.values(kept, [decoder.fields[2]])[0] == pids


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("age > 10x", "column 7: .10x.: unknown unit"),
        ("age == 'x'", "expected a number: the field is a duration"),
        ("age == bash", "neither a field nor the name of a number"),
        ("container > 3", "no order"),
        ("contaner == 'x'", r"no field 'contaner' in print_exits: did you mean container\?"),
    ],
)
def test_where_says_what_is_wrong_with_them(expression: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Where([expression], [Decoder(EXITS)])


def test_groups_are_those_of_the_moment_when_the_event_came() -> None:
    decoder = Decoder(EXITS)
    top = Top(Wanted(10, "container,comm,age"), [decoder])
    list(top.take(batch()))
    list(top.take(batch()))
    decoder.schema.machine.place(Subject(0, 0, 0))
    (made,) = top.decoders
    rows = [
        row for shown in top.rows() for row in zip(*made.values(shown, made.fields), strict=True)
    ]
    assert rows == [
        (2, "web", "bash", 2 * SECOND, 0),
        (2, None, "sh", None, 0),
    ]
    texts = [made.texts(shown, made.fields) for shown in top.rows()]
    assert texts == [[["2", "2"], ["web", ""], ["bash", "sh"], ["2s", ""], ["0", "0"]]]


def test_groups_are_ranked_by_a_derived_number() -> None:
    decoder = Decoder(EXITS)
    top = Top(Wanted(1, "comm", total="age"), [decoder])
    list(top.take(batch()))
    (made,) = top.decoders
    ((_, total, comm, _),) = [
        row for shown in top.rows() for row in zip(*made.values(shown, made.fields), strict=True)
    ]
    assert (total, comm) == (2 * SECOND, "bash")


def test_a_label_may_be_derived() -> None:
    """It is the name of when the event came, not of when the page is read."""
    exits = with_role(EXITS._replace(map="counter_exits"), Role.COUNTER)
    decoder = Decoder(exits)
    labels = metric_options.labels_of(["counter_exits=container,comm"], [decoder], {})
    sink = Prometheus(
        "127.0.0.1", 0, read_tables=lambda _: (), labels=labels, stats=RunStats((exits,))
    )
    sink.open([decoder])
    try:
        for _ in range(3):
            sink.write(batch()._replace(schema=exits))
        page = b"".join(sink.page()).decode()
    finally:
        sink.close()
    assert [
        line for line in page.splitlines() if line.startswith("ebpf_solo_io_counter_exits{")
    ] == [
        'ebpf_solo_io_counter_exits{comm="bash",container="web"} 3',
        'ebpf_solo_io_counter_exits{comm="sh",container=""} 3',
    ]


def test_a_label_of_a_table_may_be_derived() -> None:
    w = BtfWriter()
    key = w.struct("key", 8, [("pid", w.integer("u32", 4, 0), 0)])
    schema = table(w, key, w.integer("u64", 8, 0), 8, 8, name="counter_calls")
    calls = with_role(schema._replace(machine=MACHINE), Role.COUNTER)
    decoder = Decoder(calls)
    entries = [(struct.pack("<Q", pid), struct.pack("<Q", pid)) for pid in (42, 43, 44)]
    sink = Prometheus(
        *("127.0.0.1", 0),
        read_tables=lambda _: (snapshot(calls, entries),),
        labels=metric_options.labels_of(["calls=container"], [decoder], {}),
        stats=RunStats((calls,)),
    )
    sink.open([decoder])
    try:
        page = b"".join(sink.page()).decode()
    finally:
        sink.close()
    assert [line for line in page.splitlines() if line.startswith("ebpf_solo_io_counter")] == [
        'ebpf_solo_io_counter_calls{container="web"} 42',
        'ebpf_solo_io_counter_calls{container=""} 87',
    ]


def test_an_age_is_no_label() -> None:
    decoder = Decoder(with_role(EXITS._replace(map="counter_exits"), Role.COUNTER))
    with pytest.raises(UsageError, match="field 'age' is not a label of it"):
        metric_options.labels_of(["counter_exits=age"], [decoder], {})


def test_slots_are_before_the_records() -> None:
    decoder = Decoder(EXITS)
    wanted = [decoder.named(name) for name in ("container", "age", "exe", "pod")]
    slots = Slots(decoder, [field for field in wanted if field], 9)
    fixed = slots.add(batch())
    fields = slots.decoder.fields
    values = slots.decoder.values(fixed, fields)
    rows = dict(zip([field.name for field in fields], values, strict=True))
    assert rows["container"] == ["web", None]
    assert rows["exe"] == ["/bin/42", None]
    assert rows["age"] == [2 * SECOND, None]
    assert rows["pid"] == [42, 43]
    assert rows["comm"] == ["bash", "sh"]


@pytest.mark.parametrize(
    ("members", "values", "age"),
    [
        ([("start_ns", 8), ("end_ns", 8)], [5, 12], 7),
        ([("start_us", 8), ("ts", 8)], [5, 12_000], 7_000),
        ([("start_ns", 8), ("exit_time", 8), ("ts", 8)], [5, 12, 99], 7),
        ([("first_seen", 8), ("last_seen", 8)], [5, 12], 7),
        ([("start_ns", 8), ("end_ns", 8)], [12, 5], None),
        ([("start_ns", 8), ("end_ns", 8)], [0, 5], None),
        ([("start_ns", 8), ("end_ns", 8)], [5, 0], None),
        ([("start_time", 8)], [99 * SECOND], SECOND),
        ([("ts", 8)], [98 * SECOND], 2 * SECOND),
        ([("ts", 8)], [0], None),
        ([("ts", 8)], [1 << 63], None),  # not of this boot
    ],
)
def test_age(members: list[tuple[str, int]], values: list[int], age: int | None) -> None:
    decoder, rows = record(members, values)
    assert value(decoder, rows, "age") == age


@pytest.mark.parametrize("members", [[("pid", 4)], [("start", 4)], [("start_ns", 4)]])
def test_age_needs_a_time(members: list[tuple[str, int]]) -> None:
    decoder, _ = record(members, [1])
    assert decoder.named("age") is None
    with pytest.raises(UsageError, match="no field 'age'"):
        choice.apply(["+age"], [decoder])


def test_a_short_record_has_no_age() -> None:
    decoder, _ = record([("pid", 8), ("start_ns", 8), ("end_ns", 8)], [1, 2, 3])
    short = ring(decoder.schema, [struct.pack("<QQ", 1, 2)])
    assert value(decoder, short, "age") is None


def test_the_record_s_own_field_comes_first() -> None:
    decoder, rows = record([("start_ns", 8), ("ts", 8), ("age", 8)], [1, 5, 77])
    assert value(decoder, rows, "age") == 77


@pytest.mark.parametrize(
    ("members", "values", "subject"),
    [
        ([("pid", 4)], [42], Subject(42, 0, TIME_NS)),
        ([("pid", 4), ("tgid", 4)], [41, 42], Subject(42, 0, TIME_NS)),
        ([("cgroup_id", 8)], [7], Subject(0, 7, TIME_NS)),
        ([("pid", 4), ("cgid", 8)], [1, 7], Subject(1, 7, TIME_NS)),
        ([("pid", 4), ("cgroup", 4)], [42, 7], Subject(42, 0, TIME_NS)),
        ([("pid", 4), ("ts", 8)], [42, 99 * SECOND], Subject(42, 0, BOOTED + 99 * SECOND)),
    ],
)
def test_who_is_asked_for(
    members: list[tuple[str, int]], values: list[int], subject: Subject
) -> None:
    ASKED.clear()
    decoder, rows = record(members, values)
    assert value(decoder, rows, "container") == "web"
    assert [subject] == ASKED


def test_a_process_is_asked_for_once_in_a_batch() -> None:
    ASKED.clear()
    decoder = Decoder(EXITS)
    field = decoder.named("pod")
    assert field
    rows = ring(EXITS, [Exits.record(b"x", 42)] * 100)
    assert decoder.values(rows, [field, decoder.fields[2], field]) == [
        ["cart-0"] * 100,
        [42] * 100,
        ["cart-0"] * 100,
    ]
    assert len(ASKED) == 1


def test_a_table_has_those_of_its_keys() -> None:
    w = BtfWriter()
    u64 = w.integer("u64", 8, 0)
    key = w.struct("key", 8, [("pid", w.integer("u32", 4, 0), 0)])
    schema = table(w, key, u64, 8, 8)._replace(machine=MACHINE)
    decoder = Decoder(schema)
    rows = snapshot(schema, [(struct.pack("<Q", 42), bytes(8))])
    assert value(decoder, rows, "container") == "web"
    empty = snapshot(schema, [])
    field = decoder.named("container")
    assert field
    assert decoder.values(empty, [field]) == [[]]


@pytest.mark.parametrize(("uid", "name"), [(0, "root"), (7, None)])
def test_users_have_names(uid: int, name: str | None) -> None:
    decoder, rows = record([("pid", 4), ("uid", 4), ("gid", 4)], [1, uid, 0])
    assert value(decoder, rows, "user") == name
    assert value(decoder, rows, "group") is None
    short = ring(decoder.schema, [bytes(4)])
    assert value(decoder, short, "user") is None


def test_names_that_a_map_can_have() -> None:
    decoder, _ = record([("ts", 8)], [1])
    assert derived.names(decoder) == ["age"]
    lacking = ["user", "group", "kernel_frames", "user_frames"]
    assert derived.names(Decoder(EXITS)) == [n for n in derived.TABLE if n not in lacking]


def test_the_page_has_each_of_them() -> None:
    text = (ROOT / "docs/meaning.md").read_text()
    table = text.partition("| field | computed from | how |\n|---|---|---|\n")[2].partition("\n\n")[
        0
    ]
    rows = [f"| `{name}` | {row.sources} | {row.how} |" for name, row in derived.TABLE.items()]
    assert table.splitlines() == rows


def test_a_field_of_a_record_comes_before_a_derived_one_of_another_map() -> None:
    own, rows = record([("age", 8)], [77])
    exits = Decoder(EXITS._replace(map="exits"))
    kept = Where(["age > 70"], [exits, own])
    assert kept.apply(rows).records == 1
    assert kept.apply(batch()._replace(schema=exits.schema)).records == 2  # not about that map
    choice.apply(["age"], [exits, own])
    assert exits.choice is None
    assert own.choice
    with pytest.raises(UsageError, match="several maps have 'age'"):
        Where(["age > 1"], [exits, Decoder(EXITS)])


def test_counts_that_are_decoded_later_have_the_names_of_then() -> None:
    """Panels and metrics keep records as bytes: they do not know when each was read."""
    ASKED.clear()
    decoder, rows = record([("pid", 4), ("start_ns", 8)], [42, 5])
    later = rows._replace(time_ns=0)
    assert value(decoder, later, "container") == "web"
    assert value(decoder, later, "age") is None
    assert ASKED[-1].time_ns == 0


def test_a_description_lists_them() -> None:
    (info,) = [info for info in beepy.describe("exitsnoop").maps if info.role]
    assert info.derived == ("age", "exe", "argv", "cgroup", "container", "pod", "namespace", "unit")
