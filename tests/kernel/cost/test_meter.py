"""What programs cost, and a bound on it: a program that takes time whenever a process calls."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import beepy
from beepy.errors import OverheadError
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.ps.snapshot import machine
from tests.kernel.conftest import ObjectOf
from tests.support import ordinary, pids
from tests.support.command import PATIENCE, Beepy

pytestmark = pytest.mark.kernel

PRODUCER = """
import os, sys
print(flush=True)
while True:
    os.getppid()
"""


@pytest.fixture
def producer() -> Iterator[int]:
    """A process that makes a system call again and again; its pid as programs see it."""
    pids.need_the_same()
    with subprocess.Popen([sys.executable, "-c", PRODUCER], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.fixture
def burn(object_of: ObjectOf) -> str:
    return object_of("burn")


def spec(burn: str) -> CollectionSpec:
    return parse(Path(burn).read_bytes(), "burn")


def test_the_cost_is_in_the_stats(burn: str, producer: int) -> None:
    with beepy.open(spec(burn), variables={"target_pid": producer}, cost=True, timeout=0.3) as run:
        for _ in run:
            pass
        cost = run.stats.cost
    assert cost
    (program,) = cost.programs
    assert (program.image, program.program) == ("burn", "burn")
    assert program.runs > 0
    assert cost.unknown == ""
    assert cost.share == pytest.approx(program.ns / 1e9 / cost.counted_s)
    assert cost.own_share


def test_nothing_is_measured_unless_asked(burn: str) -> None:
    with beepy.open(spec(burn), timeout=0.01) as run:
        for _ in run:
            pass
        assert run.stats.cost is None


def test_over_the_bound_it_is_detached(burn: str, producer: int) -> None:
    with beepy.open(
        spec(burn), variables={"target_pid": producer}, max_overhead=0.001, timeout=PATIENCE
    ) as run:
        run.attach()
        with pytest.raises(
            OverheadError, match=r"^programs: detached: they took .*, the bound is 0\.1%$"
        ):
            for _ in run:
                pass
        ours = [one for one in machine(0).programs if os.getpid() in one.pids]
        assert [(one.name, one.links) for one in ours] == [("burn", ())]


def test_below_the_bound_nothing_happens(burn: str) -> None:
    """It would raise an error otherwise; the program returns at once, to no process."""
    with beepy.open(spec(burn), max_overhead=0.5, timeout=0.6) as run:
        for _ in run:
            pass
        assert run.stats.cost
        assert run.stats.cost.counted_s > 0
        assert not run.stats.cost.unknown


def test_the_command_ends_with_4(beepy: Beepy, burn: str, producer: int) -> None:
    done = beepy(
        *("run", burn, "--set", f"target_pid={producer}", "-o", "none", "--max-overhead", "0.1%"),
        *("--timeout", f"{PATIENCE}s"),
    )
    assert done.code == 4
    *_, cost, own, summary, error = done.said
    assert cost.startswith("cost: program 'burn': ")
    assert own.startswith("cost: beepy itself: ")
    assert ", programs " in summary
    assert error.startswith("beepy: programs: detached: they took ")


def test_it_is_detached_even_if_nobody_reads_the_rows(
    beepy: Beepy, burn: str, producer: int
) -> None:
    """The pipe is full: the thread that writes rows waits."""
    reading, writing = os.pipe()
    arguments = ("run", burn, "--set", f"target_pid={producer}", "-o", "json", "--zero")
    with beepy.start(
        *arguments, "--interval", "1ms", "--max-overhead", "0.1%", "-v", stdout=writing
    ) as running:
        os.close(writing)
        running.until(lambda: b"info: programs: detached" in running.err)
        os.close(reading)
        assert running.wait().code == 4


def test_over_the_bound_it_is_shed_and_comes_back(beepy: Beepy, burn: str, producer: int) -> None:
    with beepy.start(
        *("run", burn, "--set", f"target_pid={producer}", "-o", "none"),
        *("--max-overhead", "0.1%:shed", "-v"),
    ) as running:
        running.until(lambda: b"warning: sampled 1/" in running.err)
        os.kill(producer, signal.SIGKILL)
        running.until(lambda: b"warning: sampled 1/1: all threads again" in running.err)
        done = running.end()
    assert done.code == 0
    divisors = [int(number) for number in re.findall(r"warning: sampled 1/(\d+): ", done.err)]
    assert f" lost, sampled 1/{max(divisors)}, " in done.said[-1]
    assert all(divisor & (divisor - 1) == 0 for divisor in divisors)
    assert divisors[-1] == 1


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("xdpcount", "program 'count': it may change packets"),
        ("tcplife", ""),
    ],
)
def test_what_decides_is_not_shed(image: str, why: str, beepy: Beepy) -> None:
    done = beepy("run", image, "-o", "none", "--max-overhead", "2%:shed", "--timeout", "10ms")
    if not why:
        assert done.code == 0, done.err
        return
    assert (done.code, done.said[-1]) == (1, f"beepy: --max-overhead: {why}")


def test_shedding_rewrites(beepy: Beepy) -> None:
    done = beepy("run", "exitsnoop", "--max-overhead", "2%:shed", "--no-rewrite")
    assert done.code == 2
    assert done.said[0] == "beepy: --no-rewrite: choosing threads needs rewritten programs"


def test_the_summary_has_the_cost(beepy: Beepy) -> None:
    run = ("run", "exitsnoop", "-o", "none", "--timeout", "100ms")
    done = beepy(*run, "--cost")
    assert done.code == 0
    *_, cost, own, summary = done.said
    assert cost.startswith("cost: program 'sched_process_exit': ")
    assert own.startswith("cost: beepy itself: ")
    assert " 0 lost, programs " in summary
    assert "% of a CPU, beepy " in summary
    assert "CPU" not in beepy(*run).err
    *_, cost, own, summary = beepy(*run, "-v").said
    assert cost.startswith("info: cost: program 'sched_process_exit': ")
    assert own.startswith("info: cost: beepy itself: ")
    assert "CPU" not in summary


def test_without_the_capability(beepy: Beepy) -> None:
    names = ["CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_PERFMON"]
    user = beepy._replace(prefix=ordinary.prefix(names))
    run = ("run", "exitsnoop", "-o", "none", "--timeout", "10ms")
    unknown = user(*run, "--cost")
    assert unknown.code == 0, unknown.err
    assert ", cost of programs unknown, beepy " in unknown.said[-1]
    refused = user(*run, "--max-overhead", "2%")
    assert refused.code == 1
    assert refused.said[0] == (
        "beepy: run-time statistics: operation not permitted (EPERM): needs CAP_SYS_ADMIN"
    )


@pytest.mark.parametrize("text", ["2", "0%", "2%:she", "-1%", "x", "1e3%"])
def test_a_bound_is_a_percentage(text: str, beepy: Beepy) -> None:
    done = beepy("run", "exitsnoop", f"--max-overhead={text}")
    assert done.code == 2
    assert done.said[0] == (
        f"beepy: --max-overhead '{text}': expected a percentage of one CPU above 0, such as 2%"
    )
