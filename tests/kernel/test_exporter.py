"""Pairs of ebpf_exporter on this kernel: the metrics are what the programs counted."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from beepy.enrich import cgroups as enrich
from beepy.host import cgroups
from tests.kernel.conftest import ObjectOf
from tests.support.command import ROOT, Beepy, Running
from tests.support.scrape import page, until
from tests.support.trigger import OURS, VARIABLE, named, trigger

pytestmark = pytest.mark.kernel

YAML = ROOT / "tests" / "kernel" / "exporter.yaml"


@pytest.fixture
def pair(object_of: ObjectOf, tmp_path: Path) -> str:
    shutil.copy(object_of("exporter"), tmp_path / "pair.bpf.o")
    shutil.copy(YAML, tmp_path / "pair.yaml")
    return str(tmp_path / "pair.yaml")


@contextmanager
def running(beepy: Beepy, pair: str, *arguments: str) -> Iterator[tuple[Running, str]]:
    """Run the pair without its XDP program; yield its process and the address of its metrics."""
    chosen = [argument for name in ("count", "sample", "absent") for argument in ("--prog", name)]
    started = beepy.start("-v", "run", pair, *chosen, "--prom-port", "0", *arguments)
    with started as process:
        process.until_attached()
        yield process, process.metrics()


def ours(text: str, name: str, pid: str = "") -> list[str]:
    """Return the lines of a metric, without the pid."""
    lines = [line for line in text.split("\n") if re.match(rf"ebpf_exporter_{name}(\{{| |_)", line)]
    return [re.sub(r'(,?)(pid|process)="\d+"', r"", line) for line in lines if pid in line]


def call(names: tuple[bytes, ...] = (b"kept1", b"kept2", b"also", b"gone")) -> None:
    for name in names:
        with named(name):
            for number in (1, 2, 3, 100):
                trigger(1, number)
            trigger(2, 7)
            trigger(11, 1)


def test_the_metrics_are_what_the_program_counted(beepy: Beepy, pair: str) -> None:
    with running(beepy, pair, "-o", "none") as (_, url):
        call()
        all_calls = "\nebpf_exporter_all_total 24\n"
        text = until(lambda: page(url), lambda text: all_calls in text)
        events = until(lambda: page(url), lambda text: len(ours(text, "events_total")) == 3)
    root = cgroups.root()
    labels = (
        f'cgroup="{root}",comm="%s",error="%s",function="vfs_read",interface="lo",ip="10.1.2.3"'
    )
    assert sorted(ours(text, "calls_total")) == sorted(
        f'ebpf_exporter_calls_total{{{labels % (comm, error)},op="{op}"}} {count}'
        for comm, factor in (("kept", 2), ("also", 1))
        for error, op, count in (
            ("EPERM", "first", 4 * factor),
            ("ENOENT", "second", factor),
            ("EAGAIN", "unknown:11", factor),
        )
    )
    assert '# HELP ebpf_exporter_calls_total Calls by "process" \\\\ name\n' in text
    assert "# TYPE ebpf_exporter_calls_total counter\n" in text
    by_cpu = ours(text, "by_cpu_total")
    assert sum(int(line.rpartition(" ")[2]) for line in by_cpu) == 24
    assert re.fullmatch(r'ebpf_exporter_by_cpu_total\{cpu="0"\} \d+', by_cpu[0])
    assert sorted(ours(text, "by_op_total")) == [
        'ebpf_exporter_by_op_total{op="01000000"} 16',
        'ebpf_exporter_by_op_total{op="02000000"} 4',
        'ebpf_exporter_by_op_total{op="0b000000"} 4',
    ]
    assert sorted(ours(events, "events_total")) == [
        'ebpf_exporter_events_total{op="1"} 16',
        'ebpf_exporter_events_total{op="11"} 4',
        'ebpf_exporter_events_total{op="2"} 4',
    ]
    assert [line for line in ours(text, "latency_seconds") if 'op="1"' in line] == [
        'ebpf_exporter_latency_seconds_bucket{op="1",le="0.001"} 4',
        'ebpf_exporter_latency_seconds_bucket{op="1",le="0.002"} 12',
        'ebpf_exporter_latency_seconds_bucket{op="1",le="0.004"} 12',
        'ebpf_exporter_latency_seconds_bucket{op="1",le="0.008"} 12',
        'ebpf_exporter_latency_seconds_bucket{op="1",le="0.016"} 16',
        'ebpf_exporter_latency_seconds_bucket{op="1",le="+Inf"} 16',
        'ebpf_exporter_latency_seconds_sum{op="1"} 0.424',
        'ebpf_exporter_latency_seconds_count{op="1"} 16',
    ]


def test_what_cannot_attach_is_left_out(beepy: Beepy, pair: str) -> None:
    with running(beepy, pair, "-o", "none") as (process, url):
        process.until_attached(2)
        text = page(url)
        done = process.end()
    labels = r'\{config="pair",id="(\d+)",program="(\w+)",tag="\w{16}"\} 1'
    info = f"ebpf_exporter_ebpf_program_info{labels}"
    names = dict(re.findall(info, text))
    assert sorted(names.values()) == ["absent", "count", "sample"]
    attached = re.findall(r'ebpf_exporter_ebpf_program_attached\{id="(\d+)"\} (\d)', text)
    assert {names[number]: value for number, value in attached} == {
        "absent": "0",
        "count": "1",
        "sample": "1",
    }
    assert 'ebpf_exporter_enabled_configs{name="pair"} 1\n' in text
    assert 'ebpf_exporter_decoder_errors_total{config="pair"} 0\n' in text
    assert done.code == 0
    assert "program 'absent': skipped: kprobe no_such_function_of_beepy: " in done.err
    assert "1 program left out" in done.err


def test_missing_fail_is_obeyed(beepy: Beepy, pair: str) -> None:
    done = beepy("run", pair, "--prog", "absent", "--missing", "fail", "--timeout", "1s")
    assert done.code == 1
    assert "no_such_function_of_beepy" in done.err


def test_clocks_sample(beepy: Beepy, pair: str) -> None:
    def samples(text: str) -> float:
        lines = ours(text, "samples_total")
        return float(lines[0].rpartition(" ")[2]) if lines else 0

    with running(beepy, pair, "-o", "none") as (_, url):
        until(lambda: page(url), lambda text: samples(text) > 2)


def test_xdp_attaches_to_the_interface_of_its_section(beepy: Beepy, pair: str) -> None:
    """In a network namespace of its own: the numbers are those of one packet."""
    script = 'ip link set lo up && exec "$@"'
    apart = beepy._replace(prefix=("unshare", "--net", "sh", "-c", script, "sh"))
    code = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x' * 100, ('127.1', 9))"
    with apart.start(
        "-v", "run", pair, "--prog", "packet", "-o", "json", "--no-metrics"
    ) as process:
        process.until_attached()
        enter = ["nsenter", "--target", str(process.process.pid), "--net"]
        subprocess.run([*enter, sys.executable, "-c", code], check=True)
        done = process.end()
    rows = [json.loads(line) for line in done.out.splitlines()]
    counts = {row["length"]: row["value"] for row in rows if row["map"] == "packets_total"}
    assert counts[14 + 20 + 8 + 100] == 1


def test_rows_have_the_labels(beepy: Beepy, pair: str) -> None:
    with running(beepy, pair, "-o", "json") as (process, _):
        call((b"kept1",))
        process.until(lambda: process.out.count(b'{"map": "spans"') == 6)
        done = process.end()
    rows = [json.loads(line) for line in done.out.splitlines()]
    spans = [row for row in rows if row["map"] == "spans"]
    assert [row["op"] for row in spans] == ["first"] * 4 + [2, 11]
    assert {(row["trace_id"], row["comm"]) for row in spans} == {("0" * 16, "kept1")}
    calls = {row["op"]: row for row in rows if row["map"] == "calls_total"}
    assert (calls["first"]["value"], calls["second"]["value"], calls[11]["value"]) == (4, 1, 1)
    assert (calls["first"]["ip"], calls["first"]["comm"]) == ("10.1.2.3", "kept1")


@pytest.fixture
def groups() -> Iterator[Callable[[str], Path]]:
    """Create cgroups, which are removed afterwards."""
    created: list[Path] = []

    def create(name: str) -> Path:
        created.append(Path(cgroups.root(), name))
        created[-1].mkdir()
        return created[-1]

    yield create
    for directory in reversed(created):
        directory.rmdir()


def test_the_map_of_cgroups_is_filled_and_kept(
    beepy: Beepy, pair: str, groups: Callable[[str], Path]
) -> None:
    """The program says in each span whether the cgroup of the process is in the map."""
    before = groups("beepy_chosen_before")
    with running(beepy, pair, "-o", "json") as (process, _):
        numbers = count(100)

        def is_chosen(directory: Path) -> bool:
            number = next(numbers)
            code = (
                f"import pathlib; pathlib.Path('{directory}/cgroup.procs').write_text('0'); "
                f"from tests.support.trigger import trigger; trigger({number})"
            )
            variables = {**os.environ, VARIABLE: f"{OURS}"}
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=variables)
            spans: list[str] = []

            def arrived() -> bool:
                lines = process.out.decode().splitlines()
                rows = [json.loads(line) for line in lines if '"map": "spans"' in line]
                spans[:] = [row["trace_id"] for row in rows if row["op"] == number]
                return spans != []

            process.until(arrived)
            return bytes.fromhex(spans[0]) != bytes(8)

        assert is_chosen(before)
        other = groups("beepy_other")
        assert not is_chosen(other)
        nested = groups("beepy_other/beepy_chosen")
        until(lambda: is_chosen(nested), lambda chosen: chosen)
        assert not is_chosen(other)


def test_cgroups_have_their_paths(groups: Callable[[str], Path]) -> None:
    path = groups("beepy_named")
    number = path.stat().st_ino
    assert enrich.by_id(number) == str(path)
    assert enrich.by_walk()[number] == str(path)
    named = enrich.Cgroups()
    assert named.path(number) == str(path)
    path.rmdir()
    assert enrich.by_id(number) == ""
    assert named.path(number) == str(path)  # its counters stay, too
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("size: 16", "size: 12"), "labels of 52 bytes: its keys have 56"),
        (lambda text: text.replace("vfs_read", "no_such_symbol"), "not a symbol of this kernel"),
        (lambda text: text.replace("  - vfs_read", "  - schedule"), "kaddr_schedule"),
        (lambda text: text + "a: [", "pair.yaml: not YAML: "),
    ],
)
def test_what_is_wrong_is_one_line(
    beepy: Beepy, pair: str, change: Callable[[str], str], message: str
) -> None:
    path = Path(pair)
    path.write_text(change(path.read_text()))
    done = beepy("run", pair, "--timeout", "1s")
    assert done.code in {1, 2}
    (line, *_) = done.said
    assert message in line


def test_the_object_may_be_missing(beepy: Beepy, pair: str) -> None:
    Path(pair).with_suffix(".bpf.o").unlink()
    done = beepy("run", pair)
    assert done.code == 1
    assert done.said == [
        f"beepy: {pair.removesuffix('.yaml')}.bpf.o: no such file: the object of {pair}"
    ]
