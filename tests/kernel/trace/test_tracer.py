"""What programs print, through an instance of tracefs that is there no longer afterwards."""

import errno
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import beepy
from beepy import hooks
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.errors import KernelError, NotSupported
from beepy.hooks import journal, trace_instance
from beepy.host import tracefs
from beepy.kernel.program import Program
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.trace import tracer
from beepy.trace.lines import Owner, TraceLine
from beepy.trace.tracer import Tracer
from tests.kernel.conftest import ObjectOf
from tests.support import child, ordinary, pids
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel


@pytest.fixture
def spec(object_of: ObjectOf) -> CollectionSpec:
    return parse(Path(object_of("prints")).read_bytes(), "prints")


@pytest.fixture
def collection(spec: CollectionSpec) -> Iterator[Collection]:
    with load(spec) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    return tmp_path / "beepy"


def instances() -> set[str]:
    with tracefs.root("a test", writable=True) as root:
        number = os.open("instances", os.O_RDONLY, dir_fd=root)
        try:
            names = os.listdir(number)  # noqa: PTH208 - a descriptor
        finally:
            os.close(number)
    return {name for name in names if name.startswith(f"beepy-{os.getpid()}-")}


def programs(collection: Collection) -> list[tuple[Owner, Program]]:
    return [(Owner("prints", name), loaded) for name, loaded in collection.programs.items()]


def say(collection: Collection, number: int) -> None:
    collection.programs["say"].run(struct.pack("=Q", number))


def test_lines_have_their_program_and_process(collection: Collection, directory: Path) -> None:
    lines: list[TraceLine] = []
    with Tracer(programs(collection), lines.append):
        assert len(instances()) == 1
        assert len(list(directory.iterdir())) == 1
        say(collection, 1)
        say(collection, 2)
    assert [(line.image, line.program) for line in lines] == [("prints", "say")] * 4
    assert [line.text for line in lines] == ["number 1", "in two lines", "number 2", "in two lines"]
    assert {line.process.rpartition("-")[2] for line in lines} == {str(pids.seen())}
    assert instances() == set()
    assert list(directory.iterdir()) == []


def test_what_the_programs_of_others_print_is_left_out(
    spec: CollectionSpec, collection: Collection
) -> None:
    lines: list[TraceLine] = []
    with load(spec) as other, Tracer(programs(collection), lines.append):
        say(other, 1)
        say(collection, 2)
        say(other, 3)
    assert [line.text for line in lines] == ["number 2", "in two lines"]


def test_streams_are_read(collection: Collection) -> None:
    lines: list[TraceLine] = []
    with Tracer(programs(collection), lines.append):
        written = collection.programs["stream"].run(struct.pack("=Q", 7)).retval
    if written:  # no such function, or the kernel has no memory for streams here
        assert lines == []
        pytest.skip(f"this kernel's programs cannot write into streams: {written - (1 << 32)}")
    assert lines == [TraceLine("prints", "stream", "", "streamed 7")]


def test_without_the_event_the_machine_s_pipe_is_read(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As before v5.9: there nothing says which program printed."""

    def lacks() -> None:
        raise NotSupported("tracefs: no event", errno.EOPNOTSUPP)

    monkeypatch.setattr(tracer, "TraceInstance", lacks)
    lines: list[TraceLine] = []
    with Tracer(programs(collection), lines.append):
        say(collection, 12345)
    ours = [line for line in lines if line.process.endswith(f"-{pids.seen()}")]
    assert [line.text for line in ours] == ["number 12345", "in two lines"]
    assert {(line.image, line.program) for line in ours} == {("", "")}
    assert "reading the machine's trace_pipe: others miss lines" in caplog.text


def test_without_tracefs_it_warns(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise KernelError("tracefs: no", errno.EACCES)

    monkeypatch.setattr(tracer, "TraceInstance", refuse)
    with Tracer(programs(collection), print):
        say(collection, 1)
    assert "trace: what bpf_printk() prints is not shown: tracefs: no" in caplog.text


def test_a_killed_process_s_instance_is_removed(directory: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from beepy.hooks import journal
from beepy.hooks.trace_instance import TraceInstance
journal.DIRECTORY = Path({str(directory)!r})
print(TraceInstance().name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=child.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    name = done.stdout.strip()
    with tracefs.root("a test", writable=True) as root:
        os.stat(f"instances/{name}", dir_fd=root)
        hooks.sweep()
        with pytest.raises(FileNotFoundError):
            os.stat(f"instances/{name}", dir_fd=root)
    assert list(directory.iterdir()) == []


def test_cleaning_up_removes_instances_only() -> None:
    kept = f"beepy-kept-{os.getpid()}"
    with tracefs.root("a test", writable=True) as root:
        os.mkdir(f"instances/{kept}", dir_fd=root)
        try:
            for name in ("beepy-none", "..", f"../instances/{kept}", f"./{kept}"):
                trace_instance.cleanup(name)
            os.stat(f"instances/{kept}", dir_fd=root)
        finally:
            trace_instance.cleanup(kept)
        with pytest.raises(FileNotFoundError):
            os.stat(f"instances/{kept}", dir_fd=root)


def test_the_command_writes_lines_to_stderr(beepy: Beepy, object_of: ObjectOf) -> None:
    run = ("run", object_of("prints"), "--prog", "called", "--trace", "-v")
    with beepy.start(*run) as running:
        running.until_attached()
        os.getppid()
        running.until(lambda: f"-{pids.seen()}): called by ".encode() in running.err)
        done = running.end()
    assert (done.code, done.out) == (0, "")
    assert any(line.startswith("trace: program 'called' (") for line in done.said)
    assert not any("--trace" in line for line in done.said)


def test_without_privileges_the_run_goes_on(beepy: Beepy) -> None:
    user = beepy._replace(prefix=ordinary.prefix(["CAP_BPF", "CAP_PERFMON", "CAP_DAC_READ_SEARCH"]))
    done = user("run", "exitsnoop", "-o", "none", "--timeout", "10ms", "--trace")
    assert done.code == 0, done.err
    assert done.said[0].startswith("warning: trace: what bpf_printk() prints is not shown: tracefs")


def test_a_function_gets_the_lines(spec: CollectionSpec) -> None:
    lines: list[TraceLine] = []
    with beepy.open(spec, programs="called", trace=lines.append, timeout=0.1) as run:
        run.attach()
        os.getppid()
        for _ in run:
            pass
    ours = [line for line in lines if line.process.endswith(f"-{pids.seen()}")]
    assert {line.program for line in ours} == {"called"}
    with pytest.raises(TypeError, match="trace: expected a function"):
        beepy.open(spec, trace=1)  # type: ignore[arg-type]
