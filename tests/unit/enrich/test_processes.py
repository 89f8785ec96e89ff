"""Who processes are, from a directory of files such as those of /proc and of the runtimes."""

import json
import os
import time
from pathlib import Path

import pytest

from beepy.enrich.processes import Names, Processes
from beepy.events.batch import Place, Subject
from beepy.events.clock import SECOND, Clock

DOCKER, CRI, OTHER = "d0" * 32, "c2" * 32, "ee" * 32
UID = "0f3c1f6e-93b5-4a5c-8d58-2f7f6a0e1b2d"
HZ = os.sysconf("SC_CLK_TCK")
WALL, UPTIME = 1_793_534_400 * SECOND, 1000 * SECOND
NOW = WALL + 1


class Machine:
    """The files of a machine that has been up for 1000 s; ``seconds`` is what its clock says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = 50.0
        self.cgroups: dict[int, str] = {}
        clock = Clock(lambda number: WALL if number == time.CLOCK_REALTIME else UPTIME)
        self.names = Names(str(path), lambda: self.seconds)
        self.processes = Processes(
            str(path / "proc"),
            lambda number: self.cgroups.get(number, ""),
            self.names,
            clock=clock,
            now=lambda: self.seconds,
        )

    def write(self, name: str, content: object) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        file.write_bytes(raw)

    def process(
        self,
        pid: int,
        cgroup: str = "0::/\n",
        argv: bytes = b"sh\0-c\0exit 3\0",
        *,
        state: str = "S",
        began_s: int = 900,
    ) -> Path:
        fields = [state, *["0"] * 18, str(began_s * HZ)]
        self.write(f"proc/{pid}/stat", f"{pid} (a) b) {' '.join(fields)} 0 0\n".encode())
        self.write(f"proc/{pid}/cgroup", cgroup.encode())
        self.write(f"proc/{pid}/cmdline", argv)
        link = self.path / f"proc/{pid}/exe"
        link.unlink(missing_ok=True)
        link.symlink_to("/bin/sh")
        return link.parent

    def end(self, pid: int) -> None:
        (self.path / f"proc/{pid}").rename(self.path / f"ended-{pid}-{self.seconds}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_program_and_its_arguments(machine: Machine) -> None:
    machine.process(42)
    subject = Subject(42, 0, NOW)
    assert machine.processes.exe(subject) == "/bin/sh"
    assert machine.processes.argv(subject) == "sh -c 'exit 3'"
    machine.process(43, argv=b"")  # a thread of the kernel
    (machine.path / "proc/43/exe").unlink()
    kernel = Subject(43, 0, NOW)
    assert machine.processes.exe(kernel) == machine.processes.argv(kernel) == ""
    machine.process(44, argv=b"a\0\0\x1b[\xff\0")
    assert machine.processes.argv(Subject(44, 0, NOW)) == "a '' '\x1b[\\xff'"
    assert machine.processes.exe(Subject(0, 0, NOW)) == ""
    assert machine.processes.exe(Subject(99, 0, NOW)) == ""


def test_a_process_that_executes_is_read_anew(machine: Machine) -> None:
    machine.process(42)
    assert machine.processes.argv(Subject(42, 0, NOW)) == "sh -c 'exit 3'"
    machine.process(42, argv=b"ls\0")
    assert machine.processes.argv(Subject(42, 0, NOW)) == "ls"


def test_one_that_is_just_gone_is_remembered(machine: Machine) -> None:
    machine.process(42)
    subject = Subject(42, 0, NOW)
    assert machine.processes.exe(subject) == "/bin/sh"
    machine.end(42)
    assert machine.processes.exe(subject) == "/bin/sh"
    assert machine.processes.argv(subject) == ""  # nobody has asked before
    machine.seconds += 60
    assert machine.processes.exe(subject) == ""  # the pid may have been another's


def test_a_zombie_has_what_it_had(machine: Machine) -> None:
    machine.process(42, f"0::/docker/{DOCKER}\n")
    subject = Subject(42, 0, NOW)
    before = machine.processes.argv(subject), machine.processes.place(subject)
    machine.process(42, "4:memory:/\n", b"", state="Z")
    assert (machine.processes.argv(subject), machine.processes.place(subject)) == before
    machine.process(42, f"0::/docker/{DOCKER} (deleted)\n", b"", state="Z")
    assert machine.processes.place(subject) == before[1]


def test_a_pid_of_a_later_process_is_not_the_event_s(machine: Machine) -> None:
    machine.process(42, began_s=900)
    early = Subject(42, 0, WALL - 50 * SECOND)
    assert machine.processes.argv(early) == "sh -c 'exit 3'"
    machine.process(42, argv=b"other\0", began_s=990)
    assert machine.processes.argv(early) == "sh -c 'exit 3'"
    assert machine.processes.argv(Subject(42, 0, NOW)) == "other"
    assert machine.processes.argv(early) == "sh -c 'exit 3'"
    assert machine.processes.argv(Subject(42, 0, 0)) == "other"  # of an event of no known time
    machine.process(43, began_s=990)
    assert machine.processes.argv(Subject(43, 0, WALL - 50 * SECOND)) == ""


@pytest.mark.parametrize(
    ("cgroup", "place"),
    [
        (f"0::/docker/{DOCKER}", Place(f"/docker/{DOCKER}", "web")),
        (
            f"9:pids:/\n4:memory:/docker/{DOCKER}\n0::/\n",
            Place(f"/docker/{DOCKER}", "web"),
        ),
        (
            f"0::/kubepods/burstable/pod{UID}/{CRI}",
            Place(f"/kubepods/burstable/pod{UID}/{CRI}", "app", "cart-0", "shop"),
        ),
        (
            f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{OTHER}.scope",
            Place(
                f"/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{OTHER}.scope",
                OTHER[:12],
                "dns-7",
                "kube-system",
                f"crio-{OTHER}.scope",
            ),
        ),
        (f"0::/kubepods/pod{'9' * 32}", Place(f"/kubepods/pod{'9' * 32}", "", "9" * 32)),
        (
            "0::/system.slice/nginx.service",
            Place("/system.slice/nginx.service", unit="nginx.service"),
        ),
        ("0::/web1/inner", Place("/web1/inner", "web1")),
        ("0::/", Place("/")),
        ("", Place("/")),
        ("malformed\n\n", Place("/")),
    ],
)
def test_where_a_process_runs(machine: Machine, cgroup: str, place: Place) -> None:
    machine.write(f"var/lib/docker/containers/{DOCKER}/config.v2.json", {"Name": "/web"})
    machine.write(
        f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{CRI}/config.json",
        {
            "annotations": {
                "io.kubernetes.cri.container-name": "app",
                "io.kubernetes.cri.sandbox-name": "cart-0",
                "io.kubernetes.cri.sandbox-namespace": "shop",
            }
        },
    )
    machine.write("run/crun/web1/status", {"cgroup-path": "/web1"})
    (machine.path / f"var/log/pods/kube-system_dns-7_{UID}").mkdir(parents=True)
    machine.process(42, cgroup)
    assert machine.processes.place(Subject(42, 0, NOW)) == place


def test_the_cgroup_that_the_kernel_has_told_comes_first(machine: Machine) -> None:
    machine.write(f"var/lib/docker/containers/{DOCKER}/config.v2.json", {"Name": "/web"})
    machine.cgroups[7] = f"/docker/{DOCKER}"
    assert machine.processes.place(Subject(42, 7, NOW)).container == "web"  # it is gone
    machine.process(43, "0::/system.slice/x.service")
    assert machine.processes.place(Subject(43, 7, NOW)).container == "web"
    assert machine.processes.place(Subject(43, 8, NOW)).unit == "x.service"
    assert machine.processes.place(Subject(42, 8, NOW)) == Place()


def test_a_name_that_comes_late_is_found_and_then_kept(machine: Machine) -> None:
    machine.process(42, f"0::/docker/{DOCKER}")
    subject = Subject(42, 0, NOW)
    assert machine.processes.place(subject).container == DOCKER[:12]
    machine.write(f"var/lib/docker/containers/{DOCKER}/config.v2.json", {"Name": "/web"})
    assert machine.processes.place(subject).container == DOCKER[:12]  # not looked up so soon
    machine.seconds += 2
    assert machine.processes.place(subject).container == "web"
    (machine.path / f"var/lib/docker/containers/{DOCKER}/config.v2.json").unlink()
    machine.seconds += 2
    assert machine.processes.place(subject).container == "web"


def test_malformed_files_say_nothing(machine: Machine) -> None:
    machine.process(42)
    machine.write("proc/42/stat", b"42 (sh) S 1")
    assert machine.processes.argv(Subject(42, 0, NOW)) == ""
    machine.write("proc/43/stat", b"")
    assert machine.processes.place(Subject(43, 0, NOW)) == Place()
