"""Functions of libraries (getenv() of this process) and of a test program."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from beepy import hooks, sections
from beepy.collection.load import load
from beepy.errors import AttachError
from beepy.hooks import Target, binary, libraries
from beepy.host import tracefs
from beepy.kernel import map as maps
from beepy.kernel import program
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.uapi import MapType
from tests.support import child, pids, probed, programs

LIBC = "libc.so.6"
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p


@contextmanager
def loaded(section: str, process: int) -> Iterator[tuple[Program, Map]]:
    """A program that counts how often ``process`` runs it."""
    hook = sections.find(section)
    assert hook
    with maps.create(MapType.ARRAY, "counter", 4, 8, 1) as counter:
        code = programs.counts(counter, process)
        with program.load(
            "count", section, hook.prog_type, code, "GPL", flags=hook.flags
        ) as counting:
            yield counting, counter


def count(counter: Map) -> int:
    return int.from_bytes(counter.lookup(bytes(4)) or b"", "little")


def calls(section: str, target: Target, times: int = 3) -> int:
    """Return how many calls of getenv() by this process were seen, all of them while attached."""
    with loaded(section, pids.seen()) as (counting, counter):
        getenv(b"NONE")
        with hooks.attach(counting, target):
            for _ in range(times):
                getenv(b"NONE")
        seen = count(counter)
        getenv(b"NONE")
        assert count(counter) == seen
    return seen


@pytest.mark.parametrize("section", ["uprobe", "uprobe.s", "uretprobe", "uretprobe.s"])
@pytest.mark.parametrize("pid", [None, os.getpid()])
def test_counts_while_attached(section: str, pid: int | None) -> None:
    assert calls(section, Target(f"{LIBC}:getenv", pid=pid)) == 3


@pytest.mark.parametrize("name", ["libc", "libc.so"])
def test_a_library_without_its_version(name: str) -> None:
    """As Inspektor Gadget writes them; libbpf finds none."""
    assert calls("uprobe", Target(f"{name}:getenv")) == 3
    assert calls("uretprobe", Target(f"{name}:getenv", pid=os.getpid())) == 3


def test_a_library_for_another_architecture_is_the_last_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Path(sys.executable).read_bytes()[:64]
    (tmp_path / "other.so.1").write_bytes(ours[:18] + b"\xf7\0" + ours[20:])
    (tmp_path / "script.so.1").write_text("GROUP ( libx.so.1 )")
    paths = [str(tmp_path / name) for name in ("script.so.1", "other.so.1", "own.so.1")]
    monkeypatch.setattr(libraries, "versions", lambda _root, _name: iter(paths))
    assert binary.find("libx", None, "") == str(tmp_path / "other.so.1")
    (tmp_path / "own.so.1").write_bytes(ours)
    assert binary.find("libx", None, "") == str(tmp_path / "own.so.1")


def test_a_process_that_does_not_call_is_not_seen() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        assert calls("uprobe", Target(f"{LIBC}:getenv", pid=other.pid)) == 0
        assert other.stdin
        other.stdin.close()


def test_arguments_and_returned_values(tmp_path: Path) -> None:
    with load(probed.built(tmp_path, "uprobes")) as collection:
        found = probed.rows(collection, lambda: (getenv(b"PATH"), getenv(b"NONE")))
    ours = [
        (row["returned"], row["name"], row["value"]) for row in found if row["pid"] == pids.seen()
    ]
    assert ours == [(0, "PATH", 0), (1, "", 1), (0, "NONE", 0), (1, "", 0)]


@pytest.mark.usefixtures("same_pids")
@pytest.mark.parametrize("flags", [("-O2",), ("-O0", "-no-pie"), ("-O2", "-static")])
def test_a_program_s_own_functions(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = probed.compiled(tmp_path, *flags)
    with probed.Probed(path) as process, loaded("uprobe", process.pid) as (counting, counter):
        targets = (
            Target(f"{path}:hit"),
            Target("hit_again", binary=str(path)),
            Target(":bare", pid=process.pid),
            Target("bare", pid=process.pid),
        )
        for target in targets:
            before = count(counter)
            with hooks.attach(counting, target):
                process.pass_all(1)
                process.pass_all(2)
            assert count(counter) == before + 2, target


@pytest.mark.usefixtures("same_pids")
def test_offsets_from_a_function_and_in_the_file(tmp_path: Path) -> None:
    """Every function begins with an instruction of some length: the next one is passed as often."""
    path = probed.compiled(tmp_path, "-O2", "-no-pie")
    told = subprocess.run(
        ["objdump", "-d", path], check=True, capture_output=True, text=True
    ).stdout
    lines = told[told.index("<bare>:\n") :].splitlines()[1:3]
    first, second = [int(line.partition(":")[0], 16) for line in lines]
    with probed.Probed(path) as process, loaded("uprobe", process.pid) as (counting, counter):
        length = second - first
        for place in (f"bare+{length}", f"bare+{length:#x}", f"+{first - 0x400000:#x}"):
            before = count(counter)
            with hooks.attach(counting, Target(f"{path}:{place}")):
                process.pass_all(1)
            assert count(counter) == before + 1, place


@pytest.mark.usefixtures("same_pids")
def test_a_process_with_files_of_its_own(tmp_path: Path) -> None:
    """A name is looked up in the process's root, with its ld.so.conf and absolute links."""
    root = tmp_path / "root"
    (root / "opt/real").mkdir(parents=True)
    (root / "etc/ld.so.conf.d").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf\n")
    (root / "etc/ld.so.conf.d/own.conf").write_text("# ours\n/own\n")
    (root / "own").symlink_to("/opt/real")
    path = probed.compiled(tmp_path, "-O2", "-static")
    shutil.copy(path, root / "opt/real/libprobes.so")
    (root / "opt/probes").symlink_to("/opt/real/libprobes.so")
    code = "import os, sys\nos.chroot(sys.argv[1])\nos.chdir('/')\n"
    code += "os.execv('/opt/probes', ['probes'])\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process, loaded("uprobe", process.pid) as (counting, counter):
        assert process.stdin
        assert process.stdout
        for number, name in enumerate(("libprobes.so:bare", "/opt/probes:bare", "bare"), 1):
            process.stdin.write("1\n")  # once it answers, it is the program
            process.stdin.flush()
            process.stdout.readline()
            with hooks.attach(counting, Target(name, pid=process.pid)):
                process.stdin.write("1\n")
                process.stdin.flush()
                process.stdout.readline()
            assert count(counter) == number, name


@pytest.mark.parametrize(
    ("section", "name", "message"),
    [
        ("uprobe", "", "uprobe: expected BINARY:FUNCTION[+OFFSET]"),
        (
            "uprobe",
            "getenv",
            "uprobe getenv: no binary given: expected BINARY:FUNCTION, binary or pid",
        ),
        (
            "uretprobe",
            f"{LIBC}:getenv+4",
            f"uretprobe {LIBC}:getenv+4: return probes take no offset",
        ),
        (
            "uprobe",
            "libnone.so.1:f",
            "uprobe libnone.so.1:f: library 'libnone.so.1': not found in the directories of ld.so",
        ),
        (
            "uprobe",
            "libnone:f",
            "uprobe libnone:f: library 'libnone': not found in the directories of ld.so",
        ),
        ("uprobe", "nosuch:f", "uprobe nosuch:f: program 'nosuch': not found in PATH"),
        ("uprobe", "/nosuch:f", "uprobe /nosuch:f: /nosuch: no such file or directory (ENOENT)"),
        ("uprobe", "/etc/passwd:f", "uprobe /etc/passwd:f: /etc/passwd: not an ELF file"),
        (
            "uprobe",
            "/sys/kernel/uevent_seqnum:f",
            "uprobe /sys/kernel/uevent_seqnum:f: /sys/kernel/uevent_seqnum: not an ELF file",
        ),
        ("uprobe", "/tmp:f\x1b", r"uprobe /tmp:f\x1b: /tmp: is a directory (EISDIR)"),
        (
            "uprobe",
            "/proc/self/exe:getenx",
            "uprobe /proc/self/exe:getenx: /proc/self/exe: getenx: no function of that name",
        ),
    ],
)
def test_a_missing_target_is_a_one_line_error(section: str, name: str, message: str) -> None:
    with loaded(section, 0) as (counting, _), pytest.raises(AttachError) as caught:
        hooks.attach(counting, Target(name))
    told = str(caught.value).replace(
        "no such dynamic symbol, and other symbols are stripped", "no function of that name"
    )
    assert told == f"program 'count': {message}"


def test_a_missing_process_is_an_error() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    why = r"process \d+: no such process \(ESRCH\)$"
    with loaded("uprobe", 0) as (counting, _), pytest.raises(AttachError, match=why):
        hooks.attach(counting, Target(f"{LIBC}:getenv", pid=process.pid))


def test_errors_name_similar_functions_or_a_stripped_program(tmp_path: Path) -> None:
    path = probed.compiled(tmp_path, "-O2")
    with loaded("uprobe", 0) as (counting, _):
        with pytest.raises(
            AttachError, match=r"probes: hit_agian: no function of that name"
        ) as caught:
            hooks.attach(counting, Target(f"{path}:hit_agian"))
        assert caught.value.__notes__ == ["similar ones: hit_again"]
        subprocess.run(["strip", path], check=True)
        with pytest.raises(
            AttachError, match=r"hit: no such dynamic symbol, and other symbols are stripped"
        ):
            hooks.attach(counting, Target(f"{path}:hit"))


def test_symbol_versions_and_indirect_functions() -> None:
    """As glibc for x86-64 has them; another C library may not."""
    symbols = subprocess.run(
        ["objdump", "-T", "/lib/x86_64-linux-gnu/libc.so.6"],
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    if "(GLIBC_2.2.5) memcpy" not in symbols or "GLIBC_2.14  memcpy" not in symbols:
        pytest.skip("the C library has no memcpy of two versions")
    with loaded("uprobe", 0) as (counting, _):
        hooks.attach(counting, Target(f"{LIBC}:memcpy@GLIBC_2.2.5")).close()
        with pytest.raises(AttachError, match=r"memcpy: an indirect function \(IFUNC\)"):
            hooks.attach(counting, Target(f"{LIBC}:memcpy"))
        with pytest.raises(AttachError, match="memcpy@GLIBC_9"):
            hooks.attach(counting, Target(f"{LIBC}:memcpy@GLIBC_9"))


LEGACY = """
import logging, os, subprocess, sys
from beepy import hooks
from beepy.hooks import Target
from beepy.host import tracefs
from tests.kernel.hooks.test_uprobe import LIBC, calls, count, events, getenv, loaded

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/bus/event_source/devices"], check=True)
"""


def events() -> list[str]:
    """Return the uprobe events of tracefs that are ours."""
    with tracefs.root("a test") as root:
        number = os.open("uprobe_events", os.O_RDONLY, dir_fd=root)
    with os.fdopen(number, encoding="utf-8") as file:
        return [line.split()[0] for line in file if ":beepy/" in line]


def test_tracefs_is_used_without_the_pmu() -> None:
    """As before v4.17, or without the PMU's option: the test hides the PMU in /sys."""
    told = child.run(
        f"""{LEGACY}
for section in ("uprobe", "uretprobe"):
    for pid in (None, os.getpid()):
        assert calls(section, Target(f"{{LIBC}}:getenv", pid=pid)) == 3
assert events() == []
""",
        mounts=True,
    )
    assert told.count("this kernel has no PMU uprobe, attaching by tracefs") == 4
    assert "tracefs: uprobe_events: r:beepy/uprobe_" in told


def test_the_next_start_removes_a_killed_process_s_tracefs_events() -> None:
    told = child.run(
        f"""{LEGACY}
import signal
pid = os.fork()
if not pid:
    with loaded("uprobe", 0) as (counting, counter):
        held = hooks.attach(counting, Target(f"{{LIBC}}:getenv"))
        os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
(left,) = events()
assert left.startswith(f"p:beepy/uprobe_{{pid}}_"), left
with loaded("uprobe", 0) as (counting, counter), hooks.attach(counting, Target(f"{{LIBC}}:getenv")):
    assert len(events()) == 2
    hooks.sweep()
    (ours,) = events()
    assert ours.startswith(f"p:beepy/uprobe_{{os.getpid()}}_"), ours
assert events() == []
""",
        mounts=True,
    )
    assert "left by a killed process, undone" in told


def test_a_refused_event_leaves_nothing_in_tracefs() -> None:
    child.run(
        f"""{LEGACY}
from beepy.errors import AttachError
with loaded("uprobe", 0) as (counting, counter):
    for name, why in (
        (f"{{LIBC}}:+0x7fffffff0000", "invalid argument (EINVAL)"),
        ("/a b:+4", "no path with whitespace"),
    ):
        try:
            hooks.attach(counting, Target(name))
        except AttachError as error:
            assert why in str(error), error
        else:
            raise AssertionError(name)
assert events() == []
assert not [file for file in os.scandir("/run/beepy") if file.is_file()], os.listdir("/run/beepy")
""",
        mounts=True,
    )
