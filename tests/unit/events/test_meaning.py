import re
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Final

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events import meaning, rules
from beepy.events.batch import Machine
from beepy.events.clock import SECOND, Clock
from beepy.events.fields import Field, fields
from beepy.events.meaning import Meaning, event_time, of
from beepy.events.schemas import of_tracked
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support.command import ROOT
from tests.support.events import Exits, stream, table

MONOTONIC = 5 * 86_400 * SECOND
REAL = 1_793_534_400 * SECOND


def clock() -> Clock:
    """A machine that runs for five days."""
    return Clock(lambda number: REAL if number == time.CLOCK_REALTIME else MONOTONIC)


class Record:
    """A record of members such as ``i32 ret``, ``char[16] comm`` and ``gadget_errno error``."""

    def __init__(self, *members: str) -> None:
        w = self.writer = BtfWriter()
        char = w.integer("char", 1)
        known = {f"u{8 * size}": w.integer(f"u{8 * size}", size, 0) for size in (1, 2, 4, 8)}
        known |= {f"i{8 * size}": w.integer(f"i{8 * size}", size, 1) for size in (1, 2, 4, 8)}
        known |= {"char[16]": w.array(char, 16), "f64": w.real("double", 8)}
        known["enum"] = w.enum("e", {"A": 0, "B": 1})
        for name, of_type in (
            ("gadget_timestamp", "u64"),
            ("gadget_errno", "u32"),
            ("gadget_signal", "u32"),
        ):
            known[name] = w.const(w.typedef(name, w.typedef("__" + of_type, known[of_type])))
        known["u8[6]"], known["u8[16]"] = (w.array(known["u8"], size) for size in (6, 16))
        known["__be16"] = w.typedef("__be16", known["u16"])
        known["duration"] = w.typedef("duration", known["u64"])
        words = [member.split() for member in members]
        shape = [(name, known[kind], 128 * at) for at, (kind, name) in enumerate(words)]
        self.fields = fields(stream(w, w.struct("s", 16 * len(members), shape)))

    def meaning(self, name: str) -> Meaning | None:
        (field,) = [field for field in self.fields if field.name == name]
        return of(self.fields, clock()).get(field)

    def text(self, name: str, value: int | str | None) -> str:
        meaning = self.meaning(name)
        assert meaning
        return meaning.text(value)


def local(wall_ns: int) -> str:
    return (
        time.strftime("%H:%M:%S", time.localtime(wall_ns // SECOND))
        + f".{wall_ns // 1_000_000 % 1000:03d}"
    )


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("i32 ret", -2, "-2 ENOENT"),
        ("i64 retval", -13, "-13 EACCES"),
        ("i32 err", 3, "3"),
        ("u32 errno", 2, "2 ENOENT"),
        ("gadget_errno error_raw", 2, "2 ENOENT"),
        ("u32 sig", 9, "SIGKILL"),
        ("gadget_signal sig_raw", 15, "SIGTERM"),
        ("i32 cap", 21, "CAP_SYS_ADMIN"),
        ("u16 family", 10, "AF_INET6"),
        ("i32 af", 2, "AF_INET"),
        ("u8 proto", 17, "UDP"),
        ("u64 delta_us", 1_500, "1.5ms"),
        ("u64 latency_ns", 1_500, "1.5µs"),
        ("u32 wait_ms", 1_500, "1.5s"),
        ("i32 open_flags", 1, "O_WRONLY"),
        ("u16 umask", 0o22, "022"),
        ("u32 saddr", 0x0100007F, "127.0.0.1"),
        ("u32 daddr_v4", 0x0401A8C0, "192.168.1.4"),
        ("i32 laddr", -1, "255.255.255.255"),
        ("__be16 dport", 0x5000, "80"),
        ("u8[16] saddr_v6", bytes(15).hex() + "01", "::1"),
        ("u8[16] daddr", "fe80" + bytes(13).hex() + "02", "fe80::2"),
        ("u8[16] daddr", "fe80", "fe80"),  # the record ends there
        ("u8[6] src_mac", "0242ac110002", "02:42:ac:11:00:02"),
        ("u8[6] h_dest", "0242", "0242"),
        ("u32 dev", 8 << 20 | 1, "8:1"),
        ("u64 cap_effective", 1 << 41, "0x20000000000"),
        ("u64 cap_effective", 1 << 21 | 1, "CAP_CHOWN|CAP_SYS_ADMIN"),
        ("u64 cap_permitted", (1 << 41) - 1, "all"),
        ("u64 cap_bset", 0, "none"),
        ("u64 caller_ip", 0xFFFFFFFF81000000, "0xffffffff81000000"),
    ],
)
def test_a_name_or_a_typedef_gives_a_number_its_text(
    member: str, value: int | str, text: str
) -> None:
    name = member.split()[1]
    record = Record(member)
    assert record.text(name, value) == text
    assert record.text(name, None) == ""


@pytest.mark.parametrize(
    "member",
    [
        "u32 ret",
        "u32 flags",
        "u32 mode",
        "u32 pid",
        "u32 uid",
        "u32 mnt_ns",
        "u64 pid_ns",
        "u64 latency",
        "u64 delta",
        "u64 count",
        "i32 exit_code",
        "u32 state",
        "i32 oldstate",
        "f64 ts",
        "duration delta_us",
        "char[16] sig",
        "u32 ts",
        "u64 total_time",
        "enum cap",
        "u16 dport",
        "u32 addr",
        "u64 saddr",
        "u8[16] data",
        "u8[6] saddr",
        "u32 cgroup",
        "u64 uid",
        "i32 syscall",
    ],
)
def test_a_number_without_a_meaning_stays_a_number(member: str) -> None:
    assert Record(member).meaning(member.split()[1]) is None


EXIT = {"start_time": "time", "exit_time": "time", "sig": "signal"}
BUNDLED = {
    "execsnoop": {"retval": "result"},
    "exitsnoop": EXIT,
    "exitsnoop-counter": EXIT,
    "exitsnoop-old": EXIT,
    "exitsnoop-old-counter": EXIT,
    "opensnoop": {"ret": "result", "flags": "open flags"},
}


def test_the_bundled_images() -> None:
    found = {}
    store = bundled_store()
    for name in store.names():
        spec = parse(store.get(name))
        for tracked in spec.tracked:
            known = fields(of_tracked(spec, tracked))
            meanings = {field.name: meaning.name for field, meaning in of(known).items()}
            if meanings:
                found[name] = meanings
    assert found == BUNDLED


@pytest.mark.parametrize(
    ("members", "meanings"),
    [
        (
            "u64 ts, u32 pid, u32 uid, i32 ret, i32 flags, u32 mode, char[16] fname",
            "time result open_flags file_mode",
        ),
        ("u64 mntnsid, u32 pid, i32 cap, u32 tgid, u32 uid, i32 cap_opt", "capability"),
        (
            "char[16] comm, u64 delta_us, u64 ts_us, u32 tgid, i32 af",
            "duration time address_family",
        ),
        (
            (
                "u64 ts_us, u64 delta_us, u32 pid, i32 oldstate, i32 newstate, u16 family, "
                "u16 sport, u16 dport"
            ),
            "time duration tcp_state tcp_state address_family",
        ),
        (
            "u64 delta_us, u64 end_ns, i64 offset, i64 size, u32 pid, enum op, char[16] file",
            "duration time",
        ),
        ("u64 ts, u32 pid, u32 tid, u32 mnt_ns, i32 ret, u64 flags, u64 delta", "time result"),
        ("u64 count, u64 total_time, u64 max_time, u64 total_ns", "duration"),
    ],
    ids=[
        "opensnoop",
        "capable",
        "tcpconnlat",
        "tcpstates",
        "fsslower",
        "mountsnoop",
        "hardirqs, syscount",
    ],
)
def test_records_of_bees_examples_and_of_libbpf_tools(members: str, meanings: str) -> None:
    known = Record(*members.split(", ")).fields
    assert " ".join(found.name.replace(" ", "_") for found in of(known).values()) == meanings


@pytest.mark.parametrize("name", ["fname", "filename"])
def test_flags_and_mode_beside_a_file_name_are_those_of_open(name: str) -> None:
    record = Record("i32 flags", "u32 mode", f"char[16] {name}")
    assert record.text("flags", 0) == "O_RDONLY"
    assert record.text("mode", 0o600) == "0600"


def test_states_beside_a_port_are_states_of_tcp() -> None:
    assert Record("i32 oldstate", "i32 newstate", "u16 dport").text("newstate", 10) == "LISTEN"


@pytest.mark.parametrize(
    "member",
    ["u64 ts", "u64 start_time", "gadget_timestamp timestamp_raw", "u64 time", "u64 end_ns"],
)
def test_kernel_time_is_a_local_time(member: str) -> None:
    record = Record(member)
    (field,) = record.fields
    at = 250 * SECOND + 1_234_567
    assert record.text(field.name, MONOTONIC - at) == local(REAL - at)


def test_kernel_time_in_microseconds() -> None:
    assert Record("u64 ts_us").text("ts_us", (MONOTONIC - SECOND) // 1000) == local(REAL - SECOND)


@pytest.mark.parametrize("value", [0, MONOTONIC + SECOND, (1 << 64) - 1])
def test_a_time_of_another_boot_is_shown_as_a_number(value: int) -> None:
    assert Record("u64 ts").text("ts", value) == str(value)


def test_a_time_older_than_a_day_is_an_age() -> None:
    record = Record("u64 start_time")
    assert (
        record.text("start_time", MONOTONIC - (2 * 86_400 + 3 * 3600 + 59) * SECOND) == "2d3h ago"
    )
    assert record.text("start_time", MONOTONIC - 86_399 * SECOND) == local(REAL - 86_399 * SECOND)


def test_a_member_called_time_is_a_time_only_if_it_is_recent() -> None:
    """gethostlatency of libbpf-tools calls a duration ``time``."""
    assert Record("u64 time").text("time_", 12_000_000) == "12000000"


def when(members: Sequence[str]) -> str | None:
    found = event_time(Record(*members).fields, clock())
    return found.field.name if found else None


def test_the_events_own_time_is_chosen() -> None:
    assert when(["u64 start_time", "u64 exit_time", "u32 pid"]) == "exit_time"
    assert when(["u64 exit_time", "u64 ts"]) == "ts"
    assert when(["u64 end_ns", "u64 time"]) == "time_"
    assert when(["gadget_timestamp timestamp_raw", "u64 start_time"]) == "timestamp_raw"
    assert when(["u64 ts_us"]) == "ts_us"
    assert when(["u64 start_time", "u32 pid"]) is None
    assert when(["u32 pid"]) is None


def test_a_tables_row_has_no_time_of_its_own() -> None:
    w = BtfWriter()
    u64 = w.integer("u64", 8, 0)
    key, value = w.struct("k", 8, [("ts", u64, 0)]), w.struct("v", 8, [("ts", u64, 0)])
    found: tuple[Field, ...] = fields(table(w, key, value, 8, 8))
    assert event_time(found, clock()) is None


def test_missing_times_and_old_ones_are_replaced_by_the_time_of_reading() -> None:
    found = event_time(Exits().schema and fields(Exits().schema), clock())
    assert found
    assert found.field.name == "exit_time"
    read = REAL + 7
    values = [MONOTONIC - SECOND, None, 0, 5, MONOTONIC + SECOND, MONOTONIC - 3600 * SECOND]
    assert found.to_wall(values, read) == [REAL - SECOND, read, read, read, read, read]


def test_the_meanings_of_all_fields_are_found_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Record(*[f"u32 member{at}" for at in range(500)])
    asked = []

    def name(field: Field) -> str:
        asked.append(field)
        return field.name

    monkeypatch.setattr(meaning, "_name", name)
    assert of(record.fields) == {}
    assert len(asked) <= 2 * len(record.fields)


def test_the_clocks_are_read_once_for_many_timestamps() -> None:
    asked = []

    def read(number: int) -> int:
        asked.append(number)
        return REAL if number == time.CLOCK_REALTIME else MONOTONIC

    record = Record("u64 ts")
    found = of(record.fields, Clock(read))[record.fields[0]]
    assert found.texts
    values = [MONOTONIC - at * 1_000_000 for at in range(1000)]
    assert found.texts([*values, None, 0]) == [
        *[local(REAL - at * 1_000_000) for at in range(1000)],
        "",
        "0",
    ]
    assert len(asked) < 10


@pytest.mark.parametrize(
    ("first", "last", "common"),
    [
        (MONOTONIC - 5, MONOTONIC, None),  # the second changes
        (MONOTONIC, MONOTONIC + 5, REAL),
        (MONOTONIC - SECOND, MONOTONIC - SECOND + 5, REAL - SECOND),
        (0, MONOTONIC, None),
        (5, MONOTONIC, None),
        (5, MONOTONIC - 3600 * SECOND, REAL + 7),  # all are those of the reading
        (MONOTONIC, (1 << 64) - 1, None),
    ],
)
def test_the_second_that_all_rows_share(first: int, last: int, common: int | None) -> None:
    found = event_time(fields(Exits().schema), clock())
    assert found
    assert found.common(first, last, REAL + 7) == common


ROOT_CGROUP: Final = "/system.slice/nginx.service"
MACHINE: Final = Machine(
    user={0: "root"}.get,  # type: ignore[arg-type]  # None is no name either
    group=lambda number: "wheel" if number == 10 else "",
    cgroup=lambda number: ROOT_CGROUP if number == 77 else "",
    symbol=lambda address: "vfs_read+0x1f" if address > 1 << 63 else "",
    device=lambda number: "sda1" if number == 8 << 20 | 1 else "",
    namespace=lambda number: "host" if number == 4026531840 else "",
    syscall={257: "openat"}.get,  # type: ignore[arg-type]
)


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("u32 uid", 0, "root"),
        ("u32 uid", 4711, "4711"),
        ("i32 loginuid", -1, "-1"),
        ("u32 gid", 10, "wheel"),
        ("u64 cgroup_id", 77, ROOT_CGROUP),
        ("u64 cgid", 78, "78"),
        ("i32 syscall", 257, "openat"),
        ("u64 sysno", 9999, "9999"),
        ("u32 dev", 8 << 20 | 1, "8:1 sda1"),
        ("u32 rdev", 1 << 20 | 3, "1:3"),
        ("u32 mntns_id", 4026531840, "4026531840 host"),
        ("u64 netns", 4026531841, "4026531841"),
        ("u32 pid_ns", 4026531840, "4026531840 host"),
        ("u64 location", 0xFFFFFFFF81000000, "vfs_read+0x1f"),
        ("u64 ksym", 0x1000, "0x1000"),
    ],
)
def test_names_that_only_the_machine_knows(member: str, value: int, text: str) -> None:
    known = Record(member).fields
    (meaning,) = of(known, clock(), MACHINE).values()
    assert meaning.text(value) == text
    assert meaning.text(None) == ""


def test_the_page_has_each_meaning_and_its_names() -> None:
    page = (ROOT / "docs/meaning.md").read_text()
    table = page.partition("| meaning | members | typedefs | shown |\n|---|---|---|---|\n")[2]
    rows = [line.strip("| ").split(" | ") for line in table.partition("\n\n")[0].splitlines()]
    shown = {name: (members, typedefs) for name, members, typedefs, _ in rows}
    named: dict[str, set[str]] = {}
    typed: dict[str, set[str]] = {}
    for rule in rules.TABLE:
        title = "time" if rule.meaning == rules.RECENT else rule.meaning
        named.setdefault(title, set()).update(rule.names, (f"*{end}" for end in rule.endings))
        typed.setdefault(title, set()).update(rule.typedefs)
    assert set(shown) == set(named)
    for title, (members, typedefs) in shown.items():
        in_page = set(re.findall(r"`([^`]+)`", members))
        # names of one kind are a pattern there: start_* is start_time, start_ns, ...
        assert all(any(fnmatch(name, known) for known in in_page) for name in named[title]), title
        assert all(any(fnmatch(name, known) for name in named[title]) for known in in_page), title
        assert set(re.findall(r"`([^`]+)`", typedefs)) == typed[title], title
