"""Software events of this kernel; what the processor counts is only there on some machines."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import AttachError, NotSupported
from beepy.hooks import Target
from beepy.host.machine import online_cpus
from beepy.obj.spec import CollectionSpec
from tests.support import pids, probed
from tests.support.told import notes


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> CollectionSpec:
    return probed.built(tmp_path_factory.mktemp("perf_event"), "perf_event")


def burn(seconds: float = 0.1) -> None:
    """Use that much of a CPU."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def samples(spec: CollectionSpec, name: str, pid: int | None = None) -> list[int]:
    """Return who was running at each sample."""
    with load(spec, targets={"sample": Target(name, pid=pid)}) as collection:
        return [row["pid"] for row in probed.rows(collection, burn)]


@pytest.mark.parametrize("name", ["cpu-clock", "cpu-clock:freq=99", "cpu-clock:period=10000000"])
def test_a_clock_on_every_cpu(spec: CollectionSpec, name: str) -> None:
    assert pids.seen() in samples(spec, name)


def test_only_the_given_process_is_sampled(spec: CollectionSpec) -> None:
    assert set(samples(spec, "task-clock:freq=999", os.getpid())) == {pids.seen()}
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        assert samples(spec, "task-clock:freq=999", other.pid) == []
        assert other.stdin
        other.stdin.close()


@pytest.mark.usefixtures("same_pids")
def test_all_threads_of_a_process_and_what_they_start(spec: CollectionSpec) -> None:
    """The main thread waits; one thread is there before, and starts a process after."""
    code = (
        "import os, sys, threading, time\n"
        "def burn():\n"
        "    end = time.thread_time() + 0.1\n"
        "    while time.thread_time() < end: pass\n"
        "def work():\n"
        "    sys.stdin.readline()\n"
        "    burn()\n"
        "    if not (pid := os.fork()):\n"
        "        burn()\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "    print(pid, flush=True)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "print(flush=True)\n"
        "thread.join()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        with load(
            spec, targets={"sample": Target("cpu-clock:freq=999", pid=process.pid)}
        ) as collection:
            child: list[int] = []

            def work() -> None:
                assert process.stdin
                assert process.stdout
                process.stdin.write("\n")
                process.stdin.flush()
                child.append(int(process.stdout.readline()))

            seen = {row["pid"] for row in probed.rows(collection, work)}
    assert seen == {process.pid, *child}


def test_every_page_fault_is_sampled(spec: CollectionSpec) -> None:
    """Every new page of memory is one fault."""
    pages = 64

    def touch() -> None:
        import mmap

        with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
            for page in range(pages):
                memory[page * mmap.PAGESIZE] = 1

    with load(spec, targets={"sample": Target("page-faults")}) as collection:
        each = [row["pid"] for row in probed.rows(collection, touch)].count(pids.seen())
    with load(
        spec, targets={"sample": Target("page-faults:period=16", pid=os.getpid())}
    ) as collection:
        some = probed.rows(collection, touch)
    assert each >= pages
    assert pages // 16 <= len(some) < each
    assert {row["period"] for row in some} == {16}


def test_it_attaches_to_every_cpu(spec: CollectionSpec, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    threads = len([*Path("/proc/self/task").iterdir()])  # pyarrow's, too, if a test imported it
    for pid, places in ((None, len(online_cpus())), (os.getpid(), threads)):
        caplog.clear()
        with load(spec, targets={"sample": Target("cpu-clock", pid=pid)}) as collection:
            collection.attach()
        assert (
            caplog.text.count("perf_event_open: program 'sample': perf event cpu-clock = ")
            == places
        )


@pytest.mark.parametrize("name", ["cycles", "instructions:period=1000000", "r3c:freq=99"])
def test_hardware_events(spec: CollectionSpec, name: str) -> None:
    try:
        assert pids.seen() in samples(spec, name)
    except NotSupported as error:
        assert str(error) == (  # noqa: PT017 - either is right
            f"program 'sample': perf event {name}: "
            "not supported by this machine's processor (as in many VMs)"
        )
        pytest.skip(str(error))


def test_without_a_target_the_syntax_is_shown(spec: CollectionSpec) -> None:
    with load(spec) as collection, pytest.raises(AttachError) as caught:
        collection.attach()
    assert (
        str(caught.value)
        == "program 'sample': perf event: expected EVENT, EVENT:freq=HZ or EVENT:period=COUNT"
    )
    assert notes(caught.value)[0] == "give an event: --attach sample=cpu-clock:freq=99"


def test_a_frequency_above_the_limit_is_refused(spec: CollectionSpec) -> None:
    limit = Path("/proc/sys/kernel/perf_event_max_sample_rate").read_text().strip()
    with pytest.raises(AttachError, match=r"invalid argument \(EINVAL\)") as caught:
        samples(spec, "cpu-clock:freq=999999999")
    assert caught.value.__notes__ == [
        f"at most {limit} Hz: sysctl kernel.perf_event_max_sample_rate"
    ]


def test_a_missing_process_is_an_error(spec: CollectionSpec) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(AttachError, match=r"process \d+: no such process \(ESRCH\)$"):
        samples(spec, "cpu-clock", process.pid)
