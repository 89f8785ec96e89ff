"""What ``--where`` keeps: the language of docs/where.md on one record of each type."""

import math
import struct

import pytest

from beepy.btf.types import INT_BOOL
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.where import Where, check
from beepy.obj.spec import Role
from tests.support.events import ring, stream, with_role
from tests.support.told import notes


def schema(name: str = "print_events") -> Schema:
    """``struct event``: a member of each type that is compared."""
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    s32 = w.integer()
    char = w.integer("char", 1)
    boolean = w.integer("bool", 1, INT_BOOL)
    state = w.enum("state", {"IDLE": 0, "BUSY": 5, "GONE": 9})
    address = w.typedef("ipv4_addr", u32)
    age = w.typedef("duration", u64)
    members = [
        ("pid", u32, 0),
        ("ret", s32, 32),
        ("bytes", u64, 64),
        ("age", age, 128),
        ("daddr", address, 192),
        ("state", state, 224),
        ("comm", w.array(char, 8, u32), 256),
        ("wait_us", u64, 320),
        ("numbers", w.array(u32, 2, u32), 384),
        ("failed", boolean, 448),
    ]
    return with_role(stream(w, w.struct("event", 60, members), name), Role.PRINT)


SCHEMA = schema()


def record(**changed: object) -> bytes:
    values = {
        "pid": 42,
        "ret": -2,
        "bytes": 4096,
        "age": 10_000_000,
        "daddr": bytes((10, 1, 2, 3)),
        "state": 5,
        "comm": b"nginx",
        "wait_us": 1500,
        "failed": True,
    } | changed
    return struct.pack(
        "<IiQQ4sI8sQIIBxxx",
        *[values[name] for name in ("pid", "ret", "bytes", "age", "daddr", "state", "comm")],
        values["wait_us"],
        1,
        2,
        values["failed"],
    )


def passes(expression: str, *records: bytes) -> list[bool]:
    """Return for each record whether the expression keeps it."""
    where = Where([expression], [Decoder(SCHEMA)])
    return [bool(where.apply(ring(SCHEMA, [one])).records) for one in records]


@pytest.mark.parametrize(
    "expression",
    [
        "pid == 42",
        "pid != 43",
        "pid >= 42 and pid <= 42 and pid > 41 and pid < 43",
        "pid == 0x2a",
        "pid == 42.0",
        "pid > 41.5",
        "pid in (1, 42)",
        "pid not in (1, 2)",
        "not pid == 1",
        "not (pid == 1 or pid == 2)",
        "pid == 1 or pid == 2 or pid == 42",
        "pid == 1 and pid == 2 or pid == 42",
        "pid == 42 or pid == 1 and pid == 2",
        "bytes == 4K",
        "bytes >= 0.5K and bytes < 1M and bytes < 1G and bytes < 1T",
        "age == 10ms",
        "age > 9.9ms and age < 1s and age < 1m and age < 1h and age < 1d",
        "age == 10000000",
        "wait_us == 1.5ms",
        "wait_us == 1500us",
        "wait_us > 1499999ns",
        "ret == ENOENT",
        "ret == -2",
        "ret in (ENOENT, EPERM)",
        "ret < 0",
        "pid != SIGKILL",
        "daddr == 10.1.2.3",
        "daddr == '10.1.2.3'",
        "daddr in 10.0.0.0/8",
        "daddr not in 192.168.0.0/16",
        "daddr in (192.168.0.0/16, 10.1.2.3)",
        "daddr != 10.1.2.4",
        "daddr not in fe80::/10",
        'daddr ~ "^10\\."',
        "state == BUSY",
        "state == 5",
        "state > IDLE",
        "state in (IDLE, BUSY)",
        'state ~ "US"',
        "comm == 'nginx'",
        'comm == "nginx"',
        'comm in ("bash", "nginx")',
        'comm ~ "^ng"',
        'comm ~ "(?i)NGINX"',
        'comm !~ "NGINX"',
        "failed",
        "failed == true",
        "failed != false",
        "pid is not null",
        "not pid is null",
        "pid < bytes",
        "age > wait_us and not age < wait_us",
        "print_events: pid == 42",
        "events: pid == 42",
        "image:1.print_events: pid == 42",
        "((pid == 42))",
    ],
)
def test_expressions_that_are_true(expression: str) -> None:
    assert passes(expression, record()) == [True]
    assert passes(f"events: not ({expression.rpartition(': ')[2]})", record()) == [False]


def test_integers_are_compared_exactly() -> None:
    large = record(bytes=(1 << 64) - 1)
    assert passes("bytes == 18446744073709551615", large) == [True]
    assert passes("bytes == 18446744073709551614", large) == [False]
    assert passes("bytes > -1", large) == [True]
    assert passes("bytes == 9007199254740993", record(bytes=(1 << 53) + 1)) == [True]
    assert passes("bytes == 9007199254740993", record(bytes=1 << 53)) == [False]


def test_enums_beside_each_other_go_by_their_numbers() -> None:
    w = BtfWriter()
    state = w.enum("state", {"LATE": 1, "EARLY": 2})
    shape = stream(w, w.struct("event", 8, [("old", state, 0), ("new", state, 32)]))
    where = Where(["old < new"], [Decoder(shape)])
    pairs = [(1, 2), (2, 1), (7, 2), (1, 7)]  # 7 has no name
    batch = ring(shape, [struct.pack("<II", *pair) for pair in pairs])
    assert where.apply(batch).records == 2


@pytest.mark.parametrize(("code", "size", "name"), [("f", 4, "float"), ("d", 8, "double")])
def test_a_constant_beside_a_real_number_is_the_nearest_one(
    code: str, size: int, name: str
) -> None:
    w = BtfWriter()
    shape = stream(w, w.struct("event", size, [("load", w.real(name, size), 0)]))
    batch = ring(shape, [struct.pack(f"<{code}", value) for value in (0.1, 0.2, math.inf)])
    kept = {
        "load == 0.1": 1,
        "load > 0.1": 2,
        "load < 1e300": 2,
        "load in (0.1, 0.2)": 2,
        "load == 0.1000000000000000055511151231257827": 1,
        "load != 0.1": 2,
    }
    for expression, count in kept.items():
        assert Where([expression], [Decoder(shape)]).apply(batch).records == count, expression


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("failed", False),
        ("not failed", False),
        ("failed is null", True),
        ("failed is not null", False),
        ("failed or pid == 42", True),
        ("failed and pid == 42", False),
        ("not (failed and pid == 42)", False),
        ("not (failed and pid == 1)", True),
        ("not (failed or pid == 42)", False),
        ("failed is null and pid == 42", True),
        ("failed == true", False),
        ("failed != true", False),
    ],
)
def test_a_comparison_with_a_missing_member_is_not_known(*, expression: str, kept: bool) -> None:
    assert passes(expression, record()[:56]) == [kept]


def test_rows_of_a_batch_and_its_other_members_are_kept() -> None:
    batch = ring(SCHEMA, [record(pid=number) for number in range(10)])._replace(lost=3)
    kept = Where(["pid > 2", "pid != 5"], [Decoder(SCHEMA)]).apply(batch)
    assert (kept.records, kept.lost) == (6, 3)
    (pids,) = Decoder(SCHEMA).values(kept, [Decoder(SCHEMA).fields[0]])
    assert pids == [3, 4, 6, 7, 8, 9]
    other = schema("print_others")
    assert Where(["events: pid > 2"], [Decoder(SCHEMA), Decoder(other)]).apply(
        batch._replace(schema=other)
    ) == batch._replace(schema=other)


def test_a_batch_that_is_kept_whole_is_the_same() -> None:
    batch = ring(SCHEMA, [record()])
    assert Where(["pid == 42"], [Decoder(SCHEMA)]).apply(batch) is batch


@pytest.mark.parametrize(
    ("expression", "column", "why"),
    [
        ("pid = 42", 5, "expected ==, or another comparison"),
        ("pid == ", 8, "the expression ends here: expected more"),
        ("", 1, "expected a field"),
        ("pid == 42)", 10, "')': not expected here"),
        ("pid == 42 pid", 11, "'pid': not expected here"),
        ("pidd == 42", 1, "no field 'pidd' in print_events: did you mean pid?"),
        ("events: pidd == 42", 9, "no field 'pidd' in print_events: did you mean pid?"),
        ("evens: pid == 42", 1, "no map 'evens': there are print_events"),
        ("pid == 42 and comm == nginx", 23, "'nginx': expected a text in quotes: \"nginx\""),
        ("pid == 'x'", 8, "'x': expected a number: the field is a number"),
        ("pid == 4k", 8, "'4k': unknown unit 'k': K is 1024"),
        ("pid > 10ms", 7, "'10ms': a time, and the field is none"),
        ("ret == ENOENTT", 8, "'ENOENTT': neither a field nor the name of a number"),
        ("state == BUSYY", 10, "'BUSYY': not of the enum: BUSY, ..."),
        ("comm < 'a'", 6, "'comm' is a text: it has no order"),
        ("daddr in 10.0.0.1/8", 10, "'10.0.0.1/8': it has bits behind the prefix"),
        ("daddr == 10.0.0", 10, "'10.0.0': expected an address or a network"),
        ("daddr == 300.0.0.1", 10, "'300.0.0.1': expected an address or a network"),
        ("comm ~ '('", 8, "missing ): ("),
        ("comm == 'x", 9, "the quote is not closed"),
        ('comm == "\\"', 9, "the quote is not closed"),
        ("comm == 'x' 'y'", 13, "''y'': not expected here"),
        ("pid == 1 && pid == 2", 10, "'&&': not expected here: it is written and"),
        ("pid == 1 || pid == 2", 10, "'||': not expected here: it is written or"),
        ("!failed", 1, "'!': not expected here: it is written not"),
        ("pid ~ '4'", 1, "'pid' is a number: ~ searches texts"),
        ("pid", 1, "'pid' is a number: compare it"),
        ("numbers == 1", 1, "'numbers' is an array or a struct"),
        ("pid == comm", 5, "a number beside a text: not comparable"),
        ("failed == 1", 11, "'1': expected true or false"),
        ("pid == 1e999999999", 8, "'1e999999999': out of range"),
        ("(" * 100 + "pid == 1" + ")" * 100, 1, "nested deeper than 64"),
        ("pid == \x1b[2J", 8, r"'\x1b[2J': not expected here"),
    ],
)
def test_an_error_points_to_its_place(expression: str, column: int, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        Where([expression], [Decoder(SCHEMA)])
    message = caught.value.args[0].typed
    assert message.startswith(f"--where: column {column}: {why}")
    if expression.isprintable():
        assert f"here:\n  {expression}\n  {' ' * (column - 1)}^" in notes(caught.value)


def test_only_what_is_nested_is_deep() -> None:
    flat = " and ".join(["pid not in (1, 2)"] * 70 + ["comm != 'not ((((not'"] * 20)
    assert passes(flat, record()) == [True]
    assert passes("not " * 64 + "pid == 42", record()) == [True]
    for deep in ("not " * 65 + "pid == 42", "not (" * 33 + "pid == 42" + ")" * 33):
        with pytest.raises(UsageError, match="column 1: nested deeper than 64"):
            passes(deep, record())


def test_several_maps_with_the_field_are_told_apart() -> None:
    decoders = [Decoder(SCHEMA), Decoder(schema("print_others"))]
    with pytest.raises(UsageError) as caught:
        Where(["pid == 1"], decoders)
    assert "column 1: several maps have 'pid': begin with one of print_events, print_others" in str(
        caught.value
    )


def test_syntax_is_checked_without_maps() -> None:
    check(["pid == 42 and nothing is null"])
    with pytest.raises(UsageError, match="more than 4096 characters"):
        check(["pid == " + "4" * 5000])
