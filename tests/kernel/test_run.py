"""The options of ``beepy run`` and the rows they show."""

import json
import os
import pty
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import ObjectOf
from tests.support import exits, pids
from tests.support.command import Beepy, Done, Running
from tests.support.exits import Exit
from tests.support.screen import Screen
from tests.support.trigger import named, trigger

pytestmark = pytest.mark.kernel

Row = dict[str, object]


def rows(done: Done | Running) -> list[Row]:
    text = done.out if isinstance(done, Done) else done.out.decode()
    return [json.loads(line) for line in text.splitlines()]


def closing(shown: int, *, filtered: int = 0, others: str = "", lost: str = "0 lost") -> str:
    return rf"beepy: {shown} shown, {filtered} filtered, {re.escape(others + lost)}, \d+\.\d s"


def together(running: Running, events: Callable[[], None]) -> None:
    """Let events come while the process is stopped, so that it reads all of them at once."""
    running.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, running.process.pid, os.WSTOPPED)
    events()
    running.process.send_signal(signal.SIGCONT)


def levels(*pairs: tuple[int, int]) -> None:
    for slot, value in pairs:
        trigger(slot, value)


def test_json(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start("-v", "run", object_of("gauge_ring"), "-o", "json", "--no-metrics") as running:
        running.until_attached()
        levels((1, 5), (2, -1))
        running.until(lambda: running.out.count(b"\n") == 2)
        done = running.end()
    assert done.code == 0
    shown = rows(done)
    assert [list(row) for row in shown] == [["map", "time", "value", "slot"]] * 2
    assert [(row["map"], row["value"], row["slot"]) for row in shown] == [
        ("gauge_level", 5, 1),
        ("gauge_level", -1, 2),
    ]
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", str(row["time"])) for row in shown
    )
    assert re.fullmatch(closing(2), done.said[-1])


def test_columns(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("gauge_ring"), "--output", "columns", "--rows", "--no-metrics"
    ) as running:
        running.until_attached()
        levels((1, 5), (4_000_000, -1))
        running.until(lambda: running.out.count(b"\n") == 3)
        done = running.end()
    head, *lines = done.out.splitlines()
    assert head.split() == ["time", "value", "slot"]
    assert [line.split()[1:] for line in lines] == [["5", "1"], ["-1", "4000000"]]
    assert {len(line) for line in lines} == {len(head)}  # numbers are aligned to the right
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", line.split()[0]) for line in lines)


def test_columns_of_a_histogram(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("hist"), "-o", "columns", "-k", "hist_lat,us", "--no-metrics"
    ) as running:
        running.until_attached()
        levels((1, 5), (1, 6), (1, 300))
        done = running.end()
    title, *lines = done.out.splitlines()
    assert title.endswith(" hist_lat: 3 events")
    assert lines[:2] == ["kind = 1", "     usecs               : count    distribution"]
    assert lines[4] == f"         4 -> 7          : 2        |{'*' * 40}|"


def test_columns_make_names_safe(beepy: Beepy) -> None:
    with beepy.start("-v", "run", "exitsnoop", "-o", "columns") as running:
        running.until_attached()
        exits.fork([Exit(name, 3) for name in exits.NAMES])
        running.until(
            lambda: rb"\x1b]0;title\x07" in running.out and b"12345678901234" in running.out
        )
        out = running.end().out
    assert out.replace("\n", "").isprintable()


def test_none(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("gauge_ring"), "-o", "none", "--no-metrics", "--count", "3"
    ) as running:
        running.until_attached()
        levels((1, 1), (2, 2), (3, 3))
        done = running.wait()
    assert (done.code, done.out) == (0, "")
    assert re.fullmatch(closing(3), done.said[-1])


def on_a_terminal(beepy: Beepy, *arguments: str) -> str:
    """Run with a terminal as stdout."""
    ours, theirs = pty.openpty()
    try:
        with beepy.start(*arguments, stdout=theirs) as running:
            os.close(theirs)
            out = b""
            while True:
                try:
                    out += os.read(ours, 1 << 16)
                except OSError:  # EIO: the other end is closed
                    break
            assert running.wait().code == 0
            return out.decode()
    finally:
        os.close(ours)


@pytest.mark.parametrize("flags", [(), ("--no-tty",)])
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_on_a_terminal_columns_are_the_default(
    beepy: Beepy, object_of: ObjectOf, flags: tuple[str, ...], variables: dict[str, str]
) -> None:
    beepy = beepy._replace(variables={"TERM": "xterm", **variables})
    out = on_a_terminal(
        beepy, "run", object_of("gauge_ring"), "--no-metrics", "--timeout", "10ms", *flags
    )
    screen = Screen(80, 24)
    screen.feed(out)
    (line,) = screen.all_lines
    assert re.fullmatch(r"\d\d:\d\d:\d\d gauge_level: 0 events", line)
    assert not re.search(r"\x1b\[\d*m", out)  # no colors


def test_a_terminal_gets_json_when_asked(beepy: Beepy, object_of: ObjectOf) -> None:
    out = on_a_terminal(beepy, "run", object_of("tables"), "-o", "json", "--count", "1")
    assert json.loads(out)["map"].startswith("print_")


@pytest.mark.usefixtures("same_pids")
def test_all_filters_on_a_map_must_match(beepy: Beepy) -> None:
    filters = (
        "-f",
        "print_exits,comm,^(a,b|two words)$",
        "--filter",
        r"print_exits,exit_code,^\d{1,2}$",
    )
    with beepy.start(
        "-v", "run", "exitsnoop", *filters, "-f", 'print_exits,comm,"a{1,2}|t"'
    ) as running:
        running.until_attached()
        names = (b"a,b", b"two words", b"other", b"xa,b")
        ended = exits.fork([Exit(name, code) for code in (7, 200) for name in names])
        wanted = [
            process.pid for process in ended if process.name in names[:2] and process.code == 7
        ]
        running.until(lambda: running.out.count(b"\n") == len(wanted))
        done = running.end()
    assert [row["pid"] for row in rows(done)] == wanted
    own = r"(?:, \d of beepy's own left out)?"  # a thread that measures the cost ends as well
    line = rf"beepy: 2 shown, (\d+) filtered{own}, 0 lost, \d+\.\d s"
    match = re.fullmatch(line, done.said[-1])
    assert match, done.said[-1]
    assert int(match[1]) >= len(ended) - 2


def test_options_as_in_bees_documentation(beepy: Beepy) -> None:
    """Short options with ``=`` and flags with a value, as in Go."""
    arguments = [
        "-f=print_exits,comm,^seen$",
        "exitsnoop",
        "--no-tty=true",
        "-o=json",
        "--count=1",
        "--insecure=0",
    ]
    with beepy.start("-v=1", "run", *arguments) as running:
        running.until_attached()
        exits.fork([Exit(b"other", 3), Exit(b"seen", 3)])
        done = running.wait()
    assert (done.code, [row["comm"] for row in rows(done)]) == (0, ["seen"])


def test_filters_on_two_maps(beepy: Beepy, object_of: ObjectOf) -> None:
    filters = ("-f", "hist_lat,kind,^7$", "-f", "gauge_level,slot,^8$")
    files = (object_of("hist"), object_of("gauge_ring"))
    with beepy.start("-v", "run", *files, "--no-metrics", *filters) as running:
        running.until_attached(2)
        levels((7, 1), (8, 2), (9, 3))
        running.until(lambda: running.out.count(b"\n") == 2)
        done = running.end()
    keys = {(row["map"], row.get("kind"), row.get("slot")) for row in rows(done)}
    assert keys == {("hist_lat", 7, None), ("gauge_level", None, 8)}
    assert re.fullmatch(closing(2, filtered=4), done.said[-1])


def test_count_cuts_the_last_batch(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("gauge_ring"), "--no-metrics", "--count", "5"
    ) as running:
        running.until_attached()
        together(running, lambda: levels(*[(number, number) for number in range(12)]))
        done = running.wait()
    assert done.code == 0
    assert [row["slot"] for row in rows(done)] == [0, 1, 2, 3, 4]
    assert re.fullmatch(
        closing(5, others="7 not shown (--count), "),
        done.said[-1],
    )


def test_count_is_over_all_maps_and_after_filters(beepy: Beepy, object_of: ObjectOf) -> None:
    files = (object_of("hist"), object_of("gauge_ring"))
    arguments = ("--no-metrics", "--count", "3", "-f", "gauge_level,slot,[02468]$")
    with beepy.start("-v", "run", *files, *arguments) as running:
        running.until_attached(2)
        together(running, lambda: levels(*[(number, number) for number in range(10)]))
        done = running.wait()
    shown = rows(done)
    assert len(shown) == 3
    assert all(row["slot"] in (0, 2, 4, 6, 8) for row in shown if row["map"] == "gauge_level")
    assert re.fullmatch(
        closing(
            3,
            filtered=5,
            others="12 not shown (--count), ",
        ),
        done.said[-1],
    )


def test_count_of_table_rows(beepy: Beepy, object_of: ObjectOf) -> None:
    done = beepy("run", object_of("tables"), "--count", "10", "--interval", "10ms")
    assert done.code == 0
    assert len(rows(done)) == 10
    assert "not shown (--count), 0 lost" in done.said[-1]


def test_timeout_ends_a_run(beepy: Beepy) -> None:
    done = beepy("run", "exitsnoop", "-o", "none", "--timeout", "50ms")
    assert (done.code, done.out, len(done.said)) == (0, "", 2)
    assert done.said[0].endswith("(1 program; ends after 0.05 s)")


def test_tables_are_shown_every_interval_and_at_the_end(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("gauge"), "--no-metrics", "--interval", "20ms"
    ) as running:
        running.until_attached()
        with named(b"first"):
            trigger(0, 1)
        running.until(lambda: running.out.count(b'"first"') >= 3)
        with named(b"first"):
            trigger(1)
        with named(b"second"):
            trigger(0, 2)
        running.until(lambda: b'"second"' in running.out)
        done = running.end()
    shown = rows(done)
    assert shown[0] | {"time": ""} == {
        "map": "gauge_calls",
        "time": "",
        "pid": pids.seen(),
        "comm": "first",
        "value": 1,
    }
    names = [str(row["comm"]) for row in shown]
    assert names == sorted(names)
    assert names[-1] == "second"
    assert re.fullmatch(closing(len(shown)), done.said[-1])


def test_per_cpu_values_are_summed(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start("-v", "run", object_of("tables"), "--interval", "1h") as running:
        running.until_attached()
        for _ in range(5):
            trigger(3, 100)
        done = running.end()
    shown = [row for row in rows(done) if row["key"] == 3]
    sums = {row["map"]: row["value"] for row in shown if "cpu" not in row}
    whole = {"sum": 500, "calls": 5}
    assert sums == {
        "print_hash": whole,
        "print_lru_hash": whole,
        "print_array": whole,
        "print_cpu_array": 500,
    }
    for name in ("print_cpu_hash", "print_cpu_lru"):
        values = [row["value"] for row in shown if row["map"] == name]
        assert len(values) == len({row["cpu"] for row in shown if row["map"] == name}) > 0
        assert sum(value["sum"] for value in values if isinstance(value, dict)) == 500


def test_no_metrics_opens_no_port(beepy: Beepy, object_of: ObjectOf) -> None:
    """The port is in use during the run."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"{taken.getsockname()[1]}"
        for flags in (("--no-metrics", "--prom-port", port), ("--no-metrics",)):
            done = beepy("-v", "run", object_of("hist"), "-o", "none", "--timeout", "1ms", *flags)
            assert done.code == 0
            assert "metrics:" not in done.err


def test_metrics_are_served_for_metrics_or_a_given_port(beepy: Beepy) -> None:
    done = beepy("-v", "run", "exitsnoop", "-o", "none", "--timeout", "1ms")
    assert (done.code, "metrics:" in done.err) == (0, False)
    flags = ("--prom-port", "0", "--prom-host", "127.0.0.2")
    done = beepy("-v", "run", "exitsnoop", "-o", "none", "--timeout", "1ms", *flags)
    assert re.search(r"^metrics: http://127\.0\.0\.2:\d+/metrics$", done.err, re.MULTILINE)


@pytest.mark.usefixtures("same_pids")
def test_several_images_at_once(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", "exitsnoop", object_of("hist"), "exitsnoop-old", "--no-metrics"
    ) as running:
        running.until_attached(3)
        trigger(1, 2)
        (ended,) = exits.fork([Exit(b"one", 9)])
        running.until(
            lambda: (
                running.out.count(f'"pid": {ended.pid},'.encode()) == 2
                and b"hist_lat" in running.out
            )
        )
        done = running.end(signal.SIGTERM)
    assert done.code == 0
    assert {row["map"] for row in rows(done)} == {"print_exits", "exits", "hist_lat"}
    assert ", 0 lost, " in done.said[-1]


SHORT = """
#include "test/trigger.h"
#include "maps.h"
struct event { u64 number; u32 op; };
RING(print_events, struct event);
TRIGGER_SEC
int send(struct trace_event_raw_sys_enter *ctx)
{
	u64 event[4] = { ctx->args[2], ctx->args[1] };

	if (!triggered(ctx))
		return 0;
	if (ctx->args[1] == 0)
		bpf_ringbuf_output(&print_events, event, 8, 0);
	else if (ctx->args[1] == 1)
		bpf_ringbuf_output(&print_events, event, 16, 0);
	else
		bpf_ringbuf_output(&print_events, event, 32, 0);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_records_shorter_and_longer_than_their_type_are_shown(
    beepy: Beepy, compiled: ObjectOf
) -> None:
    with beepy.start("-v", "run", compiled(SHORT)) as running:
        running.until_attached()
        levels((0, 1), (1, 2), (0, 3), (2, 4))
        running.until(lambda: running.out.count(b"\n") == 4)
        done = running.end()
    assert done.code == 0
    assert [(row["op"], row["number"]) for row in rows(done)] == [
        (None, 1),
        (1, 2),
        (None, 3),
        (2, 4),
    ]
    assert re.fullmatch(closing(4), done.said[-1])


def test_verbose_and_debug_write_only_to_stderr(beepy: Beepy) -> None:
    quiet, verbose, debug = [
        beepy(*flags, "run", "exitsnoop", "-o", "none", "--timeout", "1ms")
        for flags in ((), ("-v",), ("-d",))
    ]
    assert [line.partition(":")[0] for line in quiet.said] == ["exitsnoop", "beepy"]
    kinds = [line.partition(":")[0] for line in verbose.said]
    costs = [line for line in verbose.said if line.startswith("info: cost: ")]
    assert len(costs) == 2
    assert verbose.said[-3:-1] == costs
    assert kinds == ["info"] * (len(kinds) - 5) + ["exitsnoop", *3 * ["info"], "beepy"]
    assert (
        "info: program 'sched_process_exit': attached to tracepoint/sched/sched_process_exit"
        in verbose.said
    )
    assert any(line.startswith("debug: PROG_LOAD: ") for line in debug.said)
    assert any("byte_off" in line for line in debug.said)
    assert (quiet.out, verbose.out, debug.out) == ("", "", "")


def test_global_options_before_and_after_the_command(beepy: Beepy) -> None:
    after = beepy("run", "exitsnoop", "-o", "none", "--timeout", "1ms", "--verbose")
    before = beepy("--verbose", "run", "exitsnoop", "-o", "none", "--timeout", "1ms")
    assert after.said[:-4] == before.said[:-4] != []
    cost = "info: cost: "
    assert all(line.startswith(cost) for line in (*after.said[-3:-1], *before.said[-3:-1]))


def changed(path: str, target: Path, *names: tuple[bytes, bytes]) -> str:
    """Replace names in an object by others of the same length."""
    data = Path(path).read_bytes()
    for before, after in names:
        assert len(before) == len(after)
        assert before in data
        data = data.replace(before, after)
    target.write_bytes(data)
    return str(target)


@pytest.mark.parametrize("output", ["json", "columns"])
def test_names_in_an_image_are_made_safe(
    beepy: Beepy, compiled: ObjectOf, tmp_path: Path, output: str
) -> None:
    """A map, a field and a program with escapes, markup and bytes that are not UTF-8.

    The kernel gets none of these names.
    """
    names = (
        (b"print_events", b"print_\x1b[31m\xff"),
        (b"number", b"\x1b]0;\r\n"),
        (b"send", b"[/]%"),
    )
    path = changed(compiled(SHORT), tmp_path / "evil.o", *names)
    with beepy.start("-v", "run", path, "-o", output, "--no-rewrite") as running:
        running.until_attached()
        levels((1, 5))
        running.until(lambda: b"5" in running.out)
        done = running.end()
    assert done.code == 0
    for text in (done.out, done.err):
        assert text.replace("\n", "").isprintable()
    assert r"info: map 'print_\x1b[31m\xff': created" in done.said
    assert done.said[-1].endswith(
        r"lost unknown (print_\x1b[31m\xff), " + done.said[-1].rpartition(", ")[2]
    )
    if output == "json":
        assert rows(done)[0]["\x1b]0;\r\n"] == 5
    else:
        assert r"\x1b]0;\x0d\x0a" in done.out


def test_identifiers_beyond_ascii(beepy: Beepy, compiled: ObjectOf) -> None:
    """C allows them; the kernel refuses types with them, and the programs run without types."""
    text = SHORT.replace(
        "print_events",
        "print_gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e",
    )
    with beepy.start("-v", "run", compiled(text)) as running:
        running.until_attached()
        levels((1, 5))
        running.until(lambda: b"\n" in running.out)
        done = running.end()
    assert (done.code, rows(done)[0]["map"]) == (0, r"print_gr\xc3\xb6\xc3\x9fe")


def test_text_shows_bytes_as_text(beepy: Beepy, object_of: ObjectOf) -> None:
    arguments = (
        "-v",
        "run",
        object_of("bytes"),
        "-o",
        "json",
        "--text",
        "name",
        "-f",
        "print_bytes,name,^mine$",
    )
    with beepy.start(*arguments) as running:
        running.until_attached()
        with named(b"mine"):
            trigger(0)
        running.until(lambda: running.out.count(b"\n") == 1)
        done = running.end()
    assert [(row["name"], row["mac"]) for row in rows(done)] == [("mine", "deadbeef0001")]
