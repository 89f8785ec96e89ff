"""/metrics for its readers: bee's literal pages, prometheus_client's parser, and bee itself."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store
from tests.kernel.conftest import ObjectOf
from tests.support import apart, exits, scrape
from tests.support.command import Beepy, Running, environment
from tests.support.exits import NAMES, Ended, Exit
from tests.support.pids import seen
from tests.support.scrape import ours, page, series, until
from tests.support.trigger import named, trigger

pytestmark = pytest.mark.kernel

_TRIES = 5
LINE = re.compile(
    r'(?P<metric>\w+)\{comm="(?P<comm>(?:[^"\\]|\\.)*)",exit_code="(?P<code>\d+)",'
    r'exit_time="(?P<exit>\d+)",pid="(?P<pid>\d+)",ppid="(?P<ppid>\d+)",sig="(?P<sig>\d+)",'
    r'start_time="(?P<start>\d+)",tid="(?P<tid>\d+)"\} (?P<value>\d+)'
)


@contextmanager
def metrics(beepy: Beepy, *arguments: str) -> Iterator[str]:
    """Run images with metrics alone; yield the page's address once their programs are attached."""
    with beepy.start("-v", "run", *arguments, "-o", "none", "--prom-port", "0") as running:
        running.until_attached()
        yield running.metrics()
        done = running.end()
        assert done.code == 0
        assert done.said[-1].startswith("beepy: ")


def hundred() -> list[Exit]:
    return [
        Exit(NAMES[number % len(NAMES)], signal=9)
        if number % 10 == 9
        else Exit(NAMES[number % len(NAMES)], code=number)
        for number in range(100)
    ]


def escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@pytest.mark.usefixtures("same_pids")
@pytest.mark.parametrize(
    ("image", "metric"),
    [
        ("exitsnoop-old-counter", "ebpf_solo_io_exits"),
        ("exitsnoop-counter", "ebpf_solo_io_counter_exits"),
    ],
)
def test_one_series_for_each_exit(beepy: Beepy, image: str, metric: str) -> None:
    with metrics(beepy, image) as url:
        ended = exits.fork(hundred())
        pids = {str(one.pid) for one in ended}

        def about(text: str) -> list[re.Match[str]]:
            # Names may hold what splitlines takes for the end of a line.
            found = [LINE.fullmatch(line) for line in ours(text).split("\n")]
            return [line for line in found if line and line["pid"] in pids]

        text = until(lambda: page(url), lambda text: len(about(text)) >= len(ended))
        check_lines(about(text), ended, metric)
        check_parsed(text, ended, metric)
        assert text.startswith(f"# HELP {metric} \n# TYPE {metric} counter\n{metric}{{")
        assert Counter(re.findall(r"^# TYPE (ebpf_\w+) (\w+)$", text, re.MULTILINE)) == {
            (metric, "counter"): 1
        }


def check_lines(lines: list[re.Match[str]], ended: list[Ended], metric: str) -> None:
    assert {line["metric"] for line in lines} == {metric}
    assert {line["value"] for line in lines} == {"1"}
    assert all(int(line["start"]) < int(line["exit"]) for line in lines)
    told = [
        (line["comm"], line["code"], line["pid"], line["ppid"], line["sig"], line["tid"])
        for line in lines
    ]
    assert sorted(told) == sorted(
        (
            escaped(one.text),
            f"{one.code}",
            f"{one.pid}",
            f"{one.ppid}",
            f"{one.signal}",
            f"{one.pid}",
        )
        for one in ended
    )


def check_parsed(text: str, ended: list[Ended], metric: str) -> None:
    found: Counter[tuple[str, ...]] = Counter()
    for name, labels, value in series(text):
        assert name == f"{metric}_total"
        assert value == 1
        told = dict(labels)
        assert list(told) == [
            "comm",
            "exit_code",
            "exit_time",
            "pid",
            "ppid",
            "sig",
            "start_time",
            "tid",
        ]
        found[
            told["comm"], told["exit_code"], told["pid"], told["ppid"], told["sig"], told["tid"]
        ] += 1
    for one in ended:
        assert (
            found[
                one.text, f"{one.code}", f"{one.pid}", f"{one.ppid}", f"{one.signal}", f"{one.pid}"
            ]
            == 1
        )


@pytest.mark.usefixtures("same_pids")
def test_a_filter_reaches_the_metrics(beepy: Beepy) -> None:
    with metrics(
        beepy,
        "exitsnoop-counter",
        "-f",
        "counter_exits,comm,^chosen$",
        "-f",
        "counter_exits,exit_code,^[57]$",
    ) as url:
        ended = exits.fork(
            [Exit(name, code) for code in (5, 6, 7) for name in (b"chosen", b"other", b"chosen2")]
        )
        wanted = [one.pid for one in ended if one.name == b"chosen" and one.code != 6]
        found = until(lambda: series(page(url)), lambda found: len(found) >= 2)
        assert [int(dict(labels)["pid"]) for _, labels, _ in found] == wanted


def gauge(comm: str, value: str) -> str:
    return f'ebpf_solo_io_gauge_calls{{comm="{comm}",pid="{seen()}"}} {value}\n'


def test_a_gauge_of_a_table(beepy: Beepy, object_of: ObjectOf) -> None:
    head = "# HELP ebpf_solo_io_gauge_calls \n# TYPE ebpf_solo_io_gauge_calls gauge\n"
    with metrics(beepy, object_of("gauge")) as url:
        assert ours(page(url)) == ""
        for name, number in ((b"bash", 4), (b"bash", 9), (b"other", 1_500_000)):
            with named(name):
                trigger(0, number)
        lines = ours(page(url)).splitlines(keepends=True)
        assert "".join(lines[:2]) == head
        assert sorted(lines[2:]) == [gauge("bash", "9"), gauge("other", "1.5e+06")]
        with named(b"bash"):
            trigger(1)
        assert ours(page(url)) == head + gauge("other", "1.5e+06")
        with named(b"other"):
            trigger(0, 2)
        assert ours(page(url)) == head + gauge("other", "2")
        assert scrape.get(url.replace("/metrics", "/"))[0] == 404


def test_a_counter_of_a_table_follows_its_value(beepy: Beepy, object_of: ObjectOf) -> None:
    head = "# HELP ebpf_solo_io_counter_calls \n# TYPE ebpf_solo_io_counter_calls counter\n"
    labels = rf'comm="\\xff\n\"\\",pid="{seen()}"'
    with metrics(beepy, object_of("counter_hash")) as url, named(b'\xff\n"\\'):
        for number in (1, 2, 1_000_000):
            trigger(0, number)
        assert ours(page(url)) == f"{head}ebpf_solo_io_counter_calls{{{labels}}} 1.000003e+06\n"
        trigger(1)
        assert ours(page(url)) == ""
        trigger(0, 1)  # a key that comes back with a lower value
        assert ours(page(url)) == f"{head}ebpf_solo_io_counter_calls{{{labels}}} 1\n"


def test_a_filter_reaches_the_metric_of_a_table(beepy: Beepy, object_of: ObjectOf) -> None:
    with metrics(beepy, object_of("gauge"), "-f", "gauge_calls,comm,^chosen$") as url:
        for name in (b"chosen", b"other"):
            with named(name):
                trigger(0, 4)
        assert ours(page(url)).splitlines(keepends=True)[2:] == [gauge("chosen", "4")]


def test_rows_that_nobody_reads_hold_up_no_scrape(beepy: Beepy, object_of: ObjectOf) -> None:
    """Tables are read by the server, not by the thread that waits to write."""
    reader, writer = os.pipe()
    arguments = (
        "-v",
        "run",
        object_of("gauge"),
        "-o",
        "json",
        "--interval",
        "1ms",
        "--prom-port",
        "0",
    )
    with beepy.start(*arguments, stdout=writer) as running:
        os.close(writer)
        running.until_attached()
        url = running.metrics()
        with named(b"bash"):
            trigger(0, 1)
        while b"pipe_write" not in Path(f"/proc/{running.process.pid}/wchan").read_bytes():
            assert running.process.poll() is None
        for number in (4, 9):
            with named(b"bash"):
                trigger(0, number)
            assert ours(page(url)).splitlines(keepends=True)[2:] == [gauge("bash", str(number))]
        os.close(reader)
        assert running.end().code == 0


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ((), ['{slot="1"} -5', '{slot="2"} 1e+06']),
        (("-k", "gauge_level,slot"), ['{value="-5"} 1', '{value="1000000"} 2', '{value="7"} 1']),
    ],
)
def test_a_gauge_of_events(
    beepy: Beepy, object_of: ObjectOf, key: tuple[str, ...], wanted: list[str]
) -> None:
    with metrics(beepy, object_of("gauge_ring"), *key) as url:
        for slot, value in ((1, 7), (2, 1_000_000), (1, -5)):
            trigger(slot, value)
        lines = until(
            lambda: ours(page(url)).splitlines(), lambda lines: len(lines) == 2 + len(wanted)
        )
        assert lines[:2] == [
            "# HELP ebpf_solo_io_gauge_level ",
            "# TYPE ebpf_solo_io_gauge_level gauge",
        ]
        assert sorted(lines[2:]) == [f"ebpf_solo_io_gauge_level{line}" for line in wanted]


OBSERVED = [100, *[1000] * 5, *[2000] * 5, *[4000] * 22, 9100]
"""Observations that make bee's literal page."""

HISTOGRAM = """\
# HELP ebpf_solo_io_hist_lat\x20
# TYPE ebpf_solo_io_hist_lat histogram
ebpf_solo_io_hist_lat_bucket{kind="0",le="100"} 1
ebpf_solo_io_hist_lat_bucket{kind="0",le="1000.5"} 6
ebpf_solo_io_hist_lat_bucket{kind="0",le="2000"} 11
ebpf_solo_io_hist_lat_bucket{kind="0",le="+Inf"} 34
ebpf_solo_io_hist_lat_sum{kind="0"} 112200
ebpf_solo_io_hist_lat_count{kind="0"} 34
"""


def test_a_histogram(beepy: Beepy, object_of: ObjectOf) -> None:
    arguments = ("-k", "hist_lat,us", "-b", "hist_lat,[100,1000.5,2e3]")
    with metrics(beepy, object_of("hist"), *arguments) as url:
        for value in OBSERVED:
            trigger(0, value)
        text = until(lambda: page(url), lambda text: '_count{kind="0"} 34\n' in text)
        assert ours(text) == HISTOGRAM
        assert [
            (name.rpartition("_")[2], dict(labels).get("le"), value)
            for name, labels, value in series(text)
        ] == [
            *[
                ("bucket", "100", 1),
                ("bucket", "1000.5", 6),
                ("bucket", "2000", 11),
                ("bucket", "+Inf", 34),
            ],
            *[("sum", None, 112200), ("count", None, 34)],
        ]


def test_a_histogram_by_another_field_and_bees_own_buckets(
    beepy: Beepy, object_of: ObjectOf
) -> None:
    with metrics(beepy, object_of("hist"), "-k", "hist_lat,kind") as url:
        for kind in (0, 10, 5001):
            trigger(kind, 3)
        text = until(lambda: page(url), lambda text: '_count{us="3"} 3\n' in text)
        bounds = {
            dict(labels)["le"]: value
            for name, labels, value in series(text)
            if name.endswith("_bucket")
        }
        assert list(bounds) == [
            "0",
            "10",
            "20",
            "50",
            "100",
            "200",
            "500",
            "1000",
            "2000",
            "5000",
            "+Inf",
        ]
        assert list(bounds.values()) == [1, *[2] * 9, 3]


TABLE = """
#include "test/trigger.h"
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} hist_table SEC(".maps");
TRIGGER_SEC
int set(struct trace_event_raw_sys_enter *ctx)
{
	u32 key = ctx->args[1];
	u64 value = ctx->args[2];

	if (triggered(ctx))
		bpf_map_update_elem(&hist_table, &key, &value, BPF_ANY);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_a_table_is_no_histogram(beepy: Beepy, compiled: ObjectOf) -> None:
    """bee says nothing of it; here its rows are shown, and one warning."""
    with beepy.start(
        "-v", "run", compiled(TABLE), "--prom-port", "0", "--interval", "1h"
    ) as running:
        running.until_attached()
        trigger(7, 70)
        assert ours(page(running.metrics())) == ""
        done = running.end()
    assert (
        done.said.count("warning: map 'hist_table' has no metric: a table is not a histogram") == 1
    )
    assert '"map": "hist_table"' in done.out
    assert '"key": 7, "value": 70}' in done.out


def test_several_images_share_a_page(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("gauge"), object_of("counter_hash"), "-o", "none", "--prom-port", "0"
    ) as running:
        running.until_attached(2)
        trigger(0, 3)
        found = series(page(running.metrics()))
        assert [(name, value) for name, _, value in found] == [
            ("ebpf_solo_io_counter_calls_total", 3),
            ("ebpf_solo_io_gauge_calls", 3),
        ]
        assert running.end().code == 0


class BeeEnded(Exception):  # noqa: N818 - as it says
    """bee has ended by itself."""


class Bee:
    """bee in its own namespaces: it listens on all interfaces, and wants tracefs below debugfs."""

    PORT = 9091

    def __init__(self, home: Path, *arguments: str) -> None:
        for program in ("nsenter", "ip"):
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")
        script = (
            "ip link set lo up && "
            "{ [ -e /sys/kernel/debug/tracing ] || "
            "mount -t debugfs debugfs /sys/kernel/debug; } && "
            "ls /sys/kernel/debug/tracing >&2 && "
            f"exec bee --storage {home}/store --config-dir {home} "
            f'run --no-tty --prom-port {self.PORT} "$@"'
        )
        self.running = Running(
            [*apart.command("--net"), "sh", "-c", script, "sh", *arguments], environment(home)
        )

    def page(self) -> str:
        """Return its metrics page, "" while it does not answer."""
        code = (
            "import sys, urllib.request as r; "
            "sys.stdout.buffer.write(r.urlopen(sys.argv[1]).read())"
        )
        enter = ["nsenter", "--target", f"{self.running.process.pid}", "--net"]
        python = [sys.executable, "-S", "-E", "-c", code, f"http://127.0.0.1:{self.PORT}/metrics"]
        if self.running.process.poll() is not None:
            raise BeeEnded(self.running.out, self.running.err)
        done = subprocess.run([*enter, *python], check=False, capture_output=True)
        return done.stdout.decode()


@contextmanager
def beside(beepy: Beepy, name: str, *arguments: str) -> Iterator[tuple[str, Bee]]:
    """Run an image or file with both; yield our address, and bee once its program is attached."""
    bee = Bee(beepy.home, *arguments, name)
    with bee.running as other, metrics(beepy, name, *arguments) as url:
        other.until(lambda: b"Calling Load..." in other.out)
        yield url, bee


@pytest.mark.peer("bee")
@pytest.mark.usefixtures("same_pids")
def test_beside_bee_exits(beepy: Beepy) -> None:
    """Compare names that are UTF-8; both programs read the clock themselves.

    Another name, of any process on this machine, ends bee: then it is tried again.
    """
    shutil.copytree(bundled_store().path, beepy.home / "store")
    names = [name for name in NAMES if name.decode("utf-8", "replace").encode() == name]
    assert len(names) > 40
    for left in reversed(range(_TRIES)):
        try:
            compare_exits(beepy, names)
        except BeeEnded as ended:
            if not left or b"not valid UTF-8" not in b"".join(ended.args):
                raise
        else:
            return


def compare_exits(beepy: Beepy, names: list[bytes]) -> None:
    with beside(beepy, "exitsnoop-counter") as (url, bee):

        def known(text: str, ended: list[Ended]) -> list[str]:
            pids = {str(one.pid) for one in ended}
            found = [LINE.fullmatch(line) for line in ours(text).split("\n")]
            return sorted(
                line[0].replace(line["exit"], "", 1)
                for line in found
                if line and line["pid"] in pids
            )

        markers: list[Ended] = []
        while not known(bee.page(), markers):
            markers += exits.fork([Exit(b"marker")])
        ended = exits.fork([Exit(name, code=number % 256) for number, name in enumerate(names * 3)])
        theirs = until(bee.page, lambda text: len(known(text, ended)) >= len(ended))
        mine = until(lambda: page(url), lambda text: len(known(text, ended)) >= len(ended))
        assert known(mine, ended) == known(theirs, ended)
        assert len(known(mine, ended)) == len(ended)
        assert ours(mine).split("\n")[:2] == ours(theirs).split("\n")[:2]


@pytest.mark.peer("bee")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gauge", ()),
        ("counter_hash", ()),
        ("hist", ("-k", "hist_lat,us")),
        ("hist", ("-k", "hist_lat,us", "-b", "hist_lat,[100,1000.5,2e3]")),
    ],
)
def test_beside_bee_tables_and_histograms(
    beepy: Beepy, object_of: ObjectOf, name: str, arguments: tuple[str, ...]
) -> None:
    with beside(beepy, object_of(name), *arguments) as (url, bee):

        def lines(text: str) -> list[str]:
            """All but the markers, of which we may have seen more."""
            found = ours(text).splitlines()
            return sorted(
                line for line in found if 'comm="marker"' not in line and 'kind="99"' not in line
            )

        def marked() -> str:
            with named(b"marker"):
                trigger(99, 1)
            return bee.page()

        until(marked, lambda text: ours(text) != "")
        for number in (*OBSERVED, 123_456_789, 7):
            trigger(0, number)
        with named(b"two words"):
            trigger(2, 5)
        theirs, _ = until(
            lambda: (lines(bee.page()), lines(page(url))), lambda both: both[0] == both[1] != []
        )
        assert len(theirs) >= 4


def test_no_page_where_no_map_has_a_metric(beepy: Beepy, compiled: ObjectOf) -> None:
    """The port is not asked for: one that is in use is no error."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # then somebody else has it
            taken.bind(("127.0.0.1", 9091))
            taken.listen()
        done = beepy("run", compiled(TABLE), "--timeout", "1ms")
    assert done.code == 0
    assert "warning: map 'hist_table' has no metric: a table is not a histogram" in done.said
    assert not any("/metrics" in line for line in done.said)


STATES = """
#include "test/trigger.h"
#include "maps.h"
enum mode { IDLE, BUSY = 5 };
struct state { bool value; u32 unit; };
struct named { char value[8]; };
struct took { enum mode mode; u32 us; };
RING(gauge_up, struct state);
RING(gauge_named, struct named);
RING(hist_took, struct took);
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, enum mode);
} gauge_modes SEC(".maps");
TRIGGER_SEC
int set(struct trace_event_raw_sys_enter *ctx)
{
	struct state state = { true, ctx->args[1] };
	struct named named = { "text" };
	struct took took = { BUSY, ctx->args[2] };
	u32 key = ctx->args[1];
	enum mode mode = BUSY;

	if (!triggered(ctx))
		return 0;
	bpf_ringbuf_output(&gauge_up, &state, sizeof(state), 0);
	bpf_ringbuf_output(&gauge_named, &named, sizeof(named), 0);
	bpf_ringbuf_output(&hist_took, &took, sizeof(took), 0);
	bpf_map_update_elem(&gauge_modes, &key, &mode, BPF_ANY);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_a_map_without_a_metric_ends_no_run(beepy: Beepy, compiled: ObjectOf) -> None:
    """A bool is 0 or 1, an enum its number; a run serves the metrics that ``describe`` shows."""
    path = compiled(STATES)
    with beepy.start("-v", "run", path, "--prom-port", "0", "--interval", "1h") as running:
        running.until_attached()
        trigger(3, 70)
        text = until(lambda: page(running.metrics()), lambda text: 'gauge_up{unit="3"} 1\n' in text)
        done = running.end()
    assert [line for line in ours(text).splitlines() if not line.startswith("#")] == [
        'ebpf_solo_io_gauge_modes{key="3"} 5',
        'ebpf_solo_io_gauge_up{unit="3"} 1',
    ]
    assert done.code == 0
    warnings = [
        "warning: map 'gauge_named' has no metric: its field 'value' is not a number",
        (
            "warning: map 'hist_took' has no metric: "
            "it has no field 'le': -k hist_took,FIELD takes another: mode, us"
        ),
    ]
    assert [line for line in done.said if line.startswith("warning: ")] == warnings
    assert all(
        f'"map": "{name}"' in done.out
        for name in ("gauge_up", "gauge_named", "hist_took", "gauge_modes")
    )
    described = beepy("describe", path, "--check")
    assert described.code == 0
    found = [line.strip() for line in described.out.splitlines()]
    assert [line for line in found if line.startswith("warning: map")] == warnings
    assert sorted(line.split()[1] for line in found if line.startswith("metric ")) == [
        "ebpf_solo_io_gauge_modes{key}",
        "ebpf_solo_io_gauge_up{unit}",
    ]


def test_a_field_alone_chooses_the_only_histogram(beepy: Beepy, compiled: ObjectOf) -> None:
    with metrics(beepy, compiled(STATES), "-k", "us", "-b", "[50,100]") as url:
        trigger(3, 70)
        text = until(lambda: page(url), lambda text: "hist_took_count" in text)
    assert [line for line in ours(text).splitlines() if "{mode" in line] == [
        'ebpf_solo_io_hist_took_bucket{mode="BUSY",le="50"} 0',
        'ebpf_solo_io_hist_took_bucket{mode="BUSY",le="100"} 1',
        'ebpf_solo_io_hist_took_bucket{mode="BUSY",le="+Inf"} 1',
        'ebpf_solo_io_hist_took_sum{mode="BUSY"} 70',
        'ebpf_solo_io_hist_took_count{mode="BUSY"} 1',
    ]
