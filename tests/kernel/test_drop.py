"""What a running command keeps of its privileges once everything is attached."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from errno import ENOSYS
from pathlib import Path
from typing import get_args

import pytest

from beepy import uapi
from beepy.cli import drop
from beepy.host import cgroups, machine
from beepy.host.machine import release
from beepy.kernel.link import Step
from tests.kernel.conftest import ObjectOf
from tests.support import apart, exits, ordinary, pids
from tests.support.command import ROOT, Beepy, Running, environment
from tests.support.exits import Exit
from tests.support.gadgets import Layout
from tests.support.scrape import page, until
from tests.support.screen import Terminal
from tests.support.trigger import named, trigger
from tests.support.workers import workers

pytestmark = pytest.mark.kernel

DISABLED = Path("/proc/sys/kernel/unprivileged_bpf_disabled")
# without it, bpf(2) for descriptors that are open takes CAP_BPF, or may take it later
NAMES = ("CAP_SYSLOG", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")
BY_DESCRIPTOR = release() >= (5, 19, 0) and DISABLED.read_text().strip() != "0"


def threads(running: Running) -> list[Mapping[str, str]]:
    """Wait until it is attached, and return the state of each of its threads."""
    running.until(lambda: b"Ctrl-C ends" in running.err)
    return [
        dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        for status in Path(f"/proc/{running.process.pid}/task").glob("*/status")
    ]


def expect(running: Running, *kept: str) -> None:
    """Compare the state of all threads."""
    if not BY_DESCRIPTOR and "CAP_SYS_ADMIN" not in kept:
        kept = (*kept, "CAP_BPF")
    bits = sum(1 << uapi.CAPABILITIES[name] for name in kept)
    for thread in threads(running):
        sets = [thread[f"Cap{name}"] for name in ("Eff", "Prm", "Inh", "Amb")]
        assert sets == [f"{bits:016x}"] * 2 + ["0" * 16] * 2
        assert (thread["NoNewPrivs"], thread["Seccomp"]) == ("1", "2")


def test_each_step_has_a_row_of_capabilities_that_are_known() -> None:
    assert drop.TABLE.keys() == set(get_args(Step))
    assert {name for names in drop.TABLE.values() for name in names} <= uapi.CAPABILITIES.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        ("exitsnoop",),
        ("runqlat",),
        ("exitsnoop-counter",),  # a table
        ("runqlat", "exitsnoop"),
        ("bashreadline",),
        ("xdpcount", "--iface", "lo"),
        ("exitsnoop", "--top", "3", "--by", "comm", "--every", "1s"),  # another thread
        ("exitsnoop", "--pid", str(os.getpid()), "--uid", "0"),  # a map of each
        ("exitsnoop", "--comm", "python"),
        ("exitsnoop", "--cgroup", cgroups.root() or "/sys/fs/cgroup"),
    ],
    ids=" ".join,
)
def test_nothing_is_kept_that_no_later_step_needs(beepy: Beepy, arguments: tuple[str, ...]) -> None:
    private = beepy._replace(prefix=("unshare", "--net"))
    with private.start("run", *arguments, "-o", "none", "--no-metrics") as running:
        expect(running)
        assert running.end().code == 0


def test_tables_are_read_and_scraped_without_privileges(beepy: Beepy, object_of: ObjectOf) -> None:
    options = ("-o", "json", "--interval", "100ms", "--prom-port", "0")
    with beepy.start("run", object_of("counter_hash"), *options) as running:
        url = running.metrics()
        expect(running)
        trigger(0, 42)
        with urllib.request.urlopen(url) as response:
            text = response.read().decode()
        assert re.search(rf'^\w*counter_calls{{.*pid="{os.getpid()}".*}} 42', text, re.MULTILINE)
        assert len(threads(running)) > 1
        expect(running)  # in the threads of the server too
        running.until(lambda: b'"value": 42' in running.out)
        assert running.end().code == 0


def test_rows_on_a_terminal_are_drawn_without_privileges(beepy: Beepy) -> None:
    """They are drawn late by a thread."""
    drawing = beepy._replace(variables={"TERM": "xterm"})
    options = ("-o", "columns", "--no-metrics")
    with (
        Terminal() as terminal,
        drawing.start("run", "runqlat", *options, stdout=terminal.fd) as running,
    ):
        while not any("|***" in line for line in terminal.screen().lines):
            assert running.process.poll() is None, running.err
        assert len(threads(running)) > 1
        expect(running)
        assert running.end().code == 0


def test_a_screen_has_those_of_what_its_keys_do(beepy: Beepy) -> None:
    """Files that they write, recordings of names, filters by fields of processes."""
    with Terminal() as terminal:
        shell = ("sh", "-c", f'exec "$@" <{os.ttyname(terminal.fd)}', "sh")
        screen = beepy._replace(variables={"TERM": "xterm"}, prefix=shell)
        options = ("-o", "tui", "--no-metrics")
        with screen.start("run", "exitsnoop", *options, stdout=terminal.fd) as running:
            expect(running, "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", *NAMES)
            assert running.end().code == 0


def test_a_recording_is_written_with_those_of_files_and_names(beepy: Beepy, tmp_path: Path) -> None:
    path = str(tmp_path / "exits")
    options = ("--record", path, "-o", "json", "--no-metrics")
    with beepy.start("run", "exitsnoop", *options) as running:
        expect(running, "CAP_DAC_OVERRIDE", *NAMES)
        while not running.out:
            exits.fork([Exit(b"recorded", 3)])
        done = running.end()
    assert done.code == 0
    replayed = beepy("replay", path, "-o", "json")
    assert replayed.out == done.out


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "json", "--fields", "comm,container"),
        ("-o", "none", "--where", 'exe ~ "x"'),
        ("-o", "csv", "--top", "1", "--by", "unit"),
    ],
    ids=" ".join,
)
def test_processes_are_looked_up(beepy: Beepy, options: tuple[str, ...]) -> None:
    with beepy.start("run", "exitsnoop", "--no-metrics", *options) as running:
        expect(running, *NAMES)
        assert running.end().code == 0


@pytest.mark.parametrize("options", [("-o", "columns"), ("-o", "json", "--fields", "+user,+argv")])
def test_names_of_users_are_public(beepy: Beepy, options: tuple[str, ...]) -> None:
    with beepy.start("run", "opensnoop", "--no-metrics", *options) as running:
        expect(running)
        assert running.end().code == 0


def test_stacks_of_the_kernel_are_looked_up(
    beepy: Beepy, object_of: ObjectOf, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.gadget("x.example/trace:1", Path(object_of("gadget_trace")).read_bytes())
    options = ("--prog", "enter", "--set", "targ_op=5", "--storage", str(layout.path))
    shown = ("-o", "json", "--no-metrics")
    with beepy.start("run", "x.example/trace:1", *options, *shown) as running:
        expect(running, *NAMES)
        trigger(5, 1)
        running.until(lambda: b"\n" in running.out)
        done = running.end()
    (row,) = map(json.loads, done.out.splitlines())
    assert {*row["stack"].split("; ")} <= {name for _, _, name in machine.symbols()}


def test_names_for_metrics_are_looked_up(beepy: Beepy, object_of: ObjectOf, tmp_path: Path) -> None:
    shutil.copy(object_of("exporter"), tmp_path / "pair.bpf.o")
    shutil.copy(ROOT / "tests" / "kernel" / "exporter.yaml", tmp_path / "pair.yaml")
    kept = (*NAMES, "CAP_PERFMON", "CAP_IPC_LOCK", "CAP_SYS_ADMIN")  # a perf buffer, and -v
    options = ("-v", "--prog", "count", "-o", "none", "--prom-port", "0")
    with beepy.start("run", str(tmp_path / "pair.yaml"), *options) as running:
        url = running.metrics()
        with named(b"kept1"):
            trigger(1, 1)
        expect(running, *kept)
        until(lambda: page(url), lambda text: 'function="vfs_read"' in text)
        expect(running, *kept)
        done = running.end()
    assert done.code == 0
    assert "cgroups: their tree is read" not in done.err


def test_a_thread_that_runs_already_would_keep_all(beepy: Beepy) -> None:
    start = """
import sys, threading
from beepy.__main__ import main
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.exit(main())
"""
    arguments = ("-v", "run", "runqlat", "-o", "none", "--no-metrics")
    command = [sys.executable, "-W", "error", "-c", start, *arguments]
    why = b"privileges are not given up: 1 other threads would keep theirs"
    with Running(command, environment(beepy.home)) as running:
        running.until(lambda: why in running.err)
        assert {thread["NoNewPrivs"] for thread in threads(running)} == {"0"}
        assert running.end().code == 0


def test_a_perf_buffer_may_need_a_new_ring(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start("run", object_of("perfbuf"), "-o", "json", "--no-metrics") as running:
        expect(running, "CAP_PERFMON", "CAP_IPC_LOCK")
        done = running.end()
    assert done.code == 0
    assert "warning" not in done.err


def test_statistics_are_switched_on_and_off(beepy: Beepy) -> None:
    options = ("--cost", "-o", "none", "--no-metrics")
    with beepy.start("run", "runqlat", *options) as running:
        expect(running, "CAP_SYS_ADMIN")
        assert len(threads(running)) > 1
        assert running.end().code == 0


def test_over_the_bound_it_is_detached(beepy: Beepy, object_of: ObjectOf) -> None:
    pids.need_the_same()
    busy = (sys.executable, "-c", "import os\nwhile True: os.getppid()")
    with subprocess.Popen(busy) as process:
        bound = ("--max-overhead", "0.1%", "--set", f"target_pid={process.pid}")
        options = (*bound, "-o", "none", "--no-metrics")
        with beepy.start("run", object_of("burn"), *options) as running:
            expect(running, "CAP_SYS_ADMIN")
            done = running.wait()
        process.kill()
    assert done.code == 4
    assert "programs: detached: they took " in done.err


def test_prints_are_read(beepy: Beepy, object_of: ObjectOf) -> None:
    options = ("--trace", "-o", "none", "--no-metrics")
    with beepy.start("run", object_of("prints"), *options) as running:
        expect(running, "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN")
        done = running.end()
    assert done.code == 0
    assert "tries again" not in done.err


def test_a_container_that_is_started_again_is_found(beepy: Beepy, group: Path) -> None:
    begin = f"{os.getpid():012x}"
    first, second = (group / (begin + last * 52) for last in "01")
    first.mkdir()
    options = ("--container", begin, "-o", "json", "--no-metrics")
    with beepy.start("run", "opensnoop", *options) as running:
        expect(running, "CAP_DAC_READ_SEARCH")
        first.rmdir()
        second.mkdir()
        with workers(("again", 0, second)) as (again,):
            while f'"pid": {again.pid},'.encode() not in running.out:
                again.do("open", 1)
                assert running.process.poll() is None, running.err
        assert running.end().code == 0


def test_what_is_kept_is_a_message(beepy: Beepy) -> None:
    options = ("-o", "none", "--no-metrics", "--timeout", "1ms")
    done = beepy("-v", "run", "runqlat", *options)
    assert "info: privileges given up, but for CAP_SYS_ADMIN" in done.said  # -v shows the cost


def test_an_iterator_is_attached_for_each_reading(beepy: Beepy, object_of: ObjectOf) -> None:
    options = ("--prog", "tasks", "-o", "json", "--no-metrics", "--interval", "50ms")
    with beepy.start("run", object_of("iter"), *options) as running:
        expect(running)
        size = len(running.out)
        running.until(lambda: len(running.out) > size)
        done = running.end()
    assert done.code == 0, done.err
    assert all(json.loads(line) for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("program", "options", "kept"),
    [
        ("on_frame", ("--iface", "lo"), ("CAP_NET_ADMIN",)),
        ("on_packet", ("--iface", "lo"), ("CAP_NET_ADMIN",)),
        ("on_egress", ("--cgroup", "{group}"), ("CAP_NET_ADMIN", "CAP_SYS_ADMIN")),
        ("on_flow", (), ("CAP_NET_ADMIN", "CAP_SYS_ADMIN")),
        ("on_call", (), ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN")),
    ],
)
def test_what_no_descriptor_holds_is_detached_at_the_end(  # noqa: PLR0917 - a table's row
    beepy: Beepy,
    object_of: ObjectOf,
    group: Path,
    program: str,
    options: tuple[str, ...],
    kept: tuple[str, ...],
) -> None:
    """Emulate an old kernel, which has no links for these programs."""
    chosen = [option.format(group=group) for option in ("--prog", program, *options)]
    image = object_of("killed")
    arguments = ["beepy", "run", image, *chosen, "-o", "none", "--no-metrics"]
    code = f"""
import sys
from tests.support import killed
killed.stand_alone()
killed.refuse_links()
sys.argv = {arguments!r}
from beepy.__main__ import main
sys.exit(main())
"""
    command = [*apart.command(), sys.executable, "-W", "error", "-c", code]
    with Running(command, environment(beepy.home)) as running:
        expect(running, *kept)
        done = running.end()
    assert done.code == 0, done.err
    assert "next start tries again" not in done.err
    assert "not removed" not in done.err


@pytest.mark.parametrize(
    ("held", "step", "kept"),
    [
        ((), "bpf", ()),
        (("CAP_BPF", "CAP_SYS_ADMIN"), "bpf", ("CAP_BPF",)),
        (("CAP_SYS_ADMIN", "CAP_SYSLOG"), "bpf", ("CAP_SYS_ADMIN",)),  # as before v5.8
        (("CAP_SYS_ADMIN",), "perf buffer", ("CAP_SYS_ADMIN",)),
        (("CAP_DAC_OVERRIDE",), "modules", ("CAP_DAC_OVERRIDE",)),
        (("CAP_SYS_PTRACE", "CAP_SYSLOG"), "sockets", ("CAP_SYS_PTRACE",)),
    ],
)
def test_what_includes_a_capability_is_kept_in_its_place(
    held: tuple[str, ...], step: Step, kept: tuple[str, ...]
) -> None:
    def bits(names: tuple[str, ...]) -> int:
        return sum(1 << uapi.CAPABILITIES[name] for name in names)

    assert drop._bits(bits(held), (step,)) == bits(kept)


def test_another_user_keeps_none_either(beepy: Beepy) -> None:
    capabilities = ("CAP_BPF", "CAP_PERFMON", "CAP_DAC_READ_SEARCH")
    user = beepy._replace(prefix=ordinary.prefix(capabilities))
    with user.start("run", "exitsnoop", "-o", "none", "--no-metrics") as running:
        expect(running)
        assert running.end().code == 0


def test_modules_in_a_closed_directory_can_be_imported_later(beepy: Beepy, tmp_path: Path) -> None:
    """Python's own files may be in another user's home, which root may enter by a capability."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, ordinary.NOBODY, ordinary.NOBODY)
    path = f"{Path(drop.__file__).parents[2]}:{closed}"
    theirs = beepy._replace(variables={"PYTHONPATH": path})
    with theirs.start("run", "runqlat", "-o", "none", "--no-metrics") as running:
        expect(running, "CAP_DAC_READ_SEARCH")
        assert running.end().code == 0


def test_a_kernel_that_refuses_it_changes_nothing(beepy: Beepy) -> None:
    """Emulate one without filters of system calls, by such a filter."""
    number = uapi.SYSCALL_NUMBERS[os.uname().machine].seccomp
    refusing = f"from tests.support import seccomp; seccomp.refuse({number}, {ENOSYS})"
    start = f"{refusing}; import sys; from beepy.__main__ import main; sys.exit(main())"
    arguments = ("-v", "run", "runqlat", "-o", "none", "--no-metrics")
    command = [sys.executable, "-W", "error", "-c", start, *arguments]
    why = b"given up: privileges: seccomp: function not implemented (ENOSYS)"
    with Running(command, environment(beepy.home)) as running:
        running.until(lambda: why in running.err)
        assert running.end().code == 0
