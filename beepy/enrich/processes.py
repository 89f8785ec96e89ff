"""Who a process is: its program and arguments, its cgroup, container, pod and unit.

They are read from /proc each time, for a process may execute another program, and a container's
first process enters its cgroup after it has begun. What was read last is kept by pid and start
time, for events that are read when their process is just gone.
"""

import os
import shlex
import time
from collections.abc import Callable
from errno import ENOENT, ESRCH
from typing import Final, NamedTuple

from beepy.enrich.cgroups import Cgroups, below_root
from beepy.events.batch import Place, Subject
from beepy.events.clock import LIVE, SECOND, Clock
from beepy.host import containers, runtimes
from beepy.log import Log
from beepy.text import escaped

_log = Log(__name__)

_PROC: Final = "/proc"
_MAX_FILE: Final = 4096  # bytes that are read of a file in /proc/PID
_MAX_KEPT: Final = 1 << 13
_FRESH_S: Final = 10.0  # a pid is not given to another process so soon
_TICK: Final = SECOND // os.sysconf("SC_CLK_TCK")
_FIELDS: Final = 20  # of /proc/PID/stat behind comm
_UNNAMED: Final = 12  # digits of an id, as docker shows it
_RETRY_S: Final = 1.0  # a container without a name may get one


class _Gone(Exception):  # noqa: N818 - no error: processes end
    """The process of a pid has ended, or the pid is another process's now."""


class _Kept(NamedTuple):
    """What was read of a process that began at ``start``, on the wall clock."""

    start: int
    read_at: float
    text: str


class Names:
    """Finds the names of containers and pods in the files of the runtimes under ``root``."""

    def __init__(self, root: str = "/", now: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._now = now
        self._described: dict[str, tuple[float, runtimes.Described]] = {}
        self._pods: tuple[float, dict[str, runtimes.Pod]] | None = None
        self._paths: tuple[float, dict[str, str]] | None = None

    def place(self, cgroup: str) -> Place:
        """Return what a cgroup belongs to, by its path from the root of cgroups on."""
        located = containers.located(cgroup)
        if not located.container:
            container = "" if located.unit and not located.pod else self._by_path(cgroup)
            pod = self._pod(located.pod)
            name = pod.name if pod else located.pod
            return Place(cgroup, container, name, pod.namespace if pod else "", located.unit)
        known = self._container(located.container)
        pod = self._pod(located.pod)
        return Place(
            cgroup=cgroup,
            container=known.name or located.container[:_UNNAMED],
            pod=known.pod or (pod.name if pod else located.pod),
            namespace=known.namespace or (pod.namespace if pod else ""),
            unit=located.unit,
        )

    def _container(self, identity: str) -> runtimes.Described:
        read_at, known = self._described.get(identity, (0.0, runtimes.Described()))
        if known.name or (read_at and self._now() - read_at < _RETRY_S):
            return known
        if len(self._described) >= _MAX_KEPT:
            self._described.clear()
        known = runtimes.described(identity, self._root)
        self._described[identity] = self._now(), known
        return known

    def _pod(self, uid: str) -> runtimes.Pod | None:
        if not uid:
            return None
        if self._pods is None or (uid not in self._pods[1] and self._is_old(self._pods[0])):
            pods = {pod.uid: pod for pod in runtimes.pods(self._root).pods}
            self._pods = self._now(), pods
        return self._pods[1].get(uid)

    def _by_path(self, cgroup: str) -> str:
        """Return the id of the container of crun or runc that has this cgroup, or one above it."""
        if self._paths is None or self._is_old(self._paths[0]):
            self._paths = self._now(), runtimes.by_cgroup(self._root)
        known = self._paths[1]
        while cgroup.strip("/"):
            if cgroup in known:
                return known[cgroup]
            cgroup = cgroup.rpartition("/")[0]
        return ""

    def _is_old(self, read_at: float) -> bool:
        return self._now() - read_at >= _RETRY_S


class Processes:
    """Answers for subjects of records; "" for what is not known.

    ``proc`` is a file system of processes. A process is not known if its pid belongs to one that
    began after the event.
    """

    def __init__(
        self,
        proc: str = _PROC,
        paths: Callable[[int], str] | None = None,
        names: Names | None = None,
        *,
        clock: Clock = LIVE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc = proc
        self._paths = paths or below_root(Cgroups())
        self._names = names or Names()
        self._clock = clock
        self._now = now
        self._kept: dict[tuple[str, int], list[_Kept]] = {}

    def exe(self, subject: Subject) -> str:
        """Return the path of the program."""
        return self._of(subject, "exe", _exe)

    def argv(self, subject: Subject) -> str:
        """Return the arguments, quoted as for a shell."""
        return self._of(subject, "cmdline", _arguments)

    def place(self, subject: Subject) -> Place:
        """Return the cgroup, and what it belongs to."""
        path = self._paths(subject.cgroup_id) if subject.cgroup_id else ""
        path = path or self._of(subject, "cgroup", _cgroup)
        return self._names.place(path) if path else Place()

    def _of(self, subject: Subject, name: str, read: Callable[[int], str]) -> str:
        """Read a file of the process, or return what was read last of one that is gone."""
        key = name, subject.pid
        if subject.pid <= 0:
            return ""
        try:
            # all files are those of one process: the pid may be given to another meanwhile
            directory = os.open(f"{self._proc}/{subject.pid}", os.O_RDONLY | os.O_DIRECTORY)
            try:
                start, ended = self._stat(directory)
                if subject.time_ns and start > subject.time_ns + _TICK:
                    raise _Gone
                text = read(directory)
                if ended and text in ("", "/"):  # v1 shows a zombie in the root
                    raise _Gone
            finally:
                os.close(directory)
        except (OSError, _Gone) as error:
            if isinstance(error, OSError) and error.errno not in (ENOENT, ESRCH):
                _log.info("process %d: %s: %s", subject.pid, name, error.strerror)
            return self._last(key, subject.time_ns)
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        kept = [old for old in self._kept.get(key, ()) if old.start < start][-1:]
        self._kept[key] = [*kept, _Kept(start, self._now(), text)]
        return text

    def _last(self, key: tuple[str, int], time_ns: int) -> str:
        for kept in reversed(self._kept.get(key, ())):
            began = not time_ns or kept.start <= time_ns + _TICK
            if began and self._now() - kept.read_at < _FRESH_S:
                return kept.text
        return ""

    def _stat(self, directory: int) -> tuple[int, bool]:
        """Return when the process began, on the wall clock, and whether it is a zombie."""
        # comm may hold blanks and parentheses; starttime is the 22nd field, in ticks since the boot
        fields = _contents(directory, "stat").rpartition(b")")[2].split()
        if len(fields) < _FIELDS:
            raise _Gone
        return self._clock.wall_of_boot(int(fields[19]) * _TICK), fields[0] in b"ZX"


def _contents(directory: int, name: str) -> bytes:
    file = os.open(name, os.O_RDONLY, dir_fd=directory)
    try:
        return os.read(file, _MAX_FILE)
    finally:
        os.close(file)


def _exe(directory: int) -> str:
    return escaped(os.readlink(b"exe", dir_fd=directory))


def _arguments(directory: int) -> str:
    words = _contents(directory, "cmdline").removesuffix(b"\0").split(b"\0")
    return shlex.join(map(escaped, words)) if words != [b""] else ""


def _cgroup(directory: int) -> str:
    """Return the path of the cgroup: of v2, else of the first hierarchy of v1 that has one.

    ::

        0::/system.slice/nginx.service            v2
        4:memory:/docker/d0d0...                  v1
    """
    lines = escaped(_contents(directory, "cgroup")).splitlines()
    paths = [line.split(":", 2) for line in lines]
    paths.sort(key=lambda parts: parts[0] != "0")
    below = [
        parts[2].removesuffix(" (deleted)")
        for parts in paths
        if len(parts) == 3 and parts[2].strip("/")
    ]
    return below[0] if below else "/"
