"""Gadgets under ig and under beepy: both must show the same rows for the same work.

It is used in guests, too, which have no pytest.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support import apart, works
from tests.support.command import Beepy, Running

Rows = Counter[frozenset[tuple[str, Any]]]

# Mounts that go with it: what ig needs, and an empty store. A sandbox may hide process 1, whose
# namespaces ig asks for: ig itself stands in for it.
SCRIPT: Final = """
ig=$1 archive=$2 name=$3
shift 3
mkdir -p /var/lib
mount -t tmpfs tmpfs /var/lib
for type in debugfs:/sys/kernel/debug tracefs:/sys/kernel/tracing bpf:/sys/fs/bpf; do
    mount -t "${type%%:*}" none "${type#*:}" || :
done
[ -r /proc/1/ns/mnt ] || mount --bind "/proc/$$" /proc/1
"$ig" image import "$archive" >/dev/null
exec "$ig" run "$name" --verify-image=false --pull never "$@"
"""
"""Runs a gadget: the program of ig, an archive, the gadget's name, options of ``ig run``."""

_CONTAINERS: Final = ("k8s", "runtime")  # what ig knows of containers, by itself
_TIMES: Final = ("timestamp", "timestamp_raw", "delta", "delta_raw", "time")
_STACKS: Final = {f"ustack.{name}" for name in ("addresses", "buildid", "symbols")}


class Work(NamedTuple):
    """How a gadget is compared, and a process that makes events for it.

    ``code`` is the process's Python code, ``pid`` the member of a row that is its process id.
    ``parameters`` are set for both. ``sums`` are members that are added up over rows which are
    equal otherwise; one that ends in ``_raw`` has a text beside it. ``ignored`` are members that
    are not compared.
    """

    code: str
    pid: str = "proc.pid"
    parameters: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Snapshot(NamedTuple):
    """A gadget of which rows are compared whose ``member`` is a process id, or a port."""

    member: str
    ports: bool = False


STREAMS: Final = {
    "trace_open": Work(works.OPEN, ignored=("fpath",)),  # stale bytes where it has no path
    "trace_signal": Work(works.SIGNAL, parameters=("kill-only=true",)),
    "trace_mount": Work(works.MOUNT),
    "ci_container_filtering": Work(works.OPEN),
    "trace_exec": Work(works.EXECUTE, pid="proc.parent.pid", ignored=("proc.pid", "proc.tid")),
    "trace_bind": Work(works.BIND, ignored=("addr.port",)),
    "trace_link": Work(works.LINK),
    "top_file": Work(works.WRITE, sums=("reads", "writes", "rbytes_raw", "wbytes_raw")),
}
CONSTANT: Final = "ci_inner_fields"
"""A gadget of which all rows are the same."""

SNAPSHOTS: Final = {
    "snapshot_process": Snapshot("pid"),
    "snapshot_file": Snapshot("pid"),
    "snapshot_socket": Snapshot("src.port", ports=True),
}


class Refused(Exception):  # noqa: N818 - no error
    """What a gadget needs and the kernel has not."""


class Peers(NamedTuple):
    """The program of ig, the directory with the gadgets' archives, and beepy."""

    ig: str
    gadgets: Path
    beepy: Beepy

    def check_stream(self, name: str) -> None:
        """Compare what both show of a process that works."""
        work = STREAMS[name]

        def shown(running: Running, pid: int) -> Rows:
            return _rows(running.out, work.pid, {pid})

        with self._both(name, host=True, parameters=work.parameters) as (ours, theirs):
            # ig does not say when it is ready
            while not shown(theirs, first := _run(work.code)):
                assert theirs.process.poll() is None, theirs.err
            ours.until(lambda: bool(shown(ours, first)))
            pid = _run(work.code)
            last = _run(work.code)  # its rows come after the others
            for running in (ours, theirs):

                def complete(running: Running = running) -> bool:
                    return bool(shown(running, last))

                running.until(complete)
                running.end()
        found, expected = (_summed(shown(running, pid), work) for running in (ours, theirs))
        _compare(found, expected)

    def check_snapshot(self, name: str) -> None:
        """Compare what both show of a process that has files and sockets open."""
        snapshot = SNAPSHOTS[name]
        with (
            _sleeper() as (pid, ports),
            self._both(name, host=True) as (ours, theirs),
        ):
            wanted = ports if snapshot.ports else {pid}

            def shown(running: Running) -> Rows:  # beepy takes one at each interval
                return Rows(set(_rows(running.out, snapshot.member, wanted)))

            for running in (ours, theirs):

                def complete(running: Running = running) -> bool:
                    return bool(shown(running))

                running.until(complete)
                running.end()
        _compare(shown(ours), shown(theirs))

    def check_constant(self, name: str) -> None:
        """Compare the last row: all are the same, once ig knows the names of users."""
        with _sleeper(), self._both(name, host=False) as (ours, theirs):
            ours.until(lambda: bool(_last(ours.out)))
            theirs.until(lambda: _last(theirs.out) == _last(ours.out))

    @contextmanager
    def _both(
        self, name: str, *, host: bool, parameters: Sequence[str] = ()
    ) -> Iterator[tuple[Running, Running]]:
        """Start both. Raises Refused if the kernel lacks what the gadget attaches to."""
        archive = str(self.gadgets / f"{name}.tar")
        variables = [word for parameter in parameters for word in ("--set", parameter)]
        flags = [f"--{parameter}" for parameter in parameters]
        script = ["sh", "-ec", SCRIPT, "sh", self.ig, archive, f"{name}:latest", "-o", "json"]
        if host:
            flags.append("--host")
        with (
            self.beepy.start("-v", "run", archive, "-o", "json", *variables) as ours,
            Running([*apart.command(), *script, *flags], {**os.environ}) as theirs,
        ):
            ours.until(lambda: b"Ctrl-C ends" in ours.err or b"\nbeepy: " in ours.err)
            if b"this kernel has no kprobes" in ours.err:
                raise Refused(f"{name}: kprobes")
            assert b"Ctrl-C ends" in ours.err, ours.err
            yield ours, theirs


def _run(code: str) -> int:
    """Run a process, and return its id."""
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        pass
    assert child.returncode == 0
    return child.pid


@contextmanager
def _sleeper() -> Iterator[tuple[int, set[int]]]:
    """Yield the id of a process with open files and sockets, and their ports."""
    command = [sys.executable, "-c", works.SLEEP]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null, text=True) as child:
        assert child.stdin
        assert child.stdout
        yield child.pid, {int(port) for port in child.stdout.readline().split()}
        child.stdin.close()


def _leaves(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a row with their paths; no times, and not what ig alone knows."""
    for name, value in row.items():
        if not prefix and name in (*_CONTAINERS, "map"):
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif name not in _TIMES:
            yield f"{prefix}{name}", tuple(value) if isinstance(value, list) else value


def _rows(out: bytes, member: str, values: Collection[int]) -> Rows:
    """Return rows of which the member has one of these values.

    Each complete line is a row or an array of rows. Most are of other processes, and not parsed.
    """
    rows: Rows = Rows()
    needles = [str(value).encode() for value in values]
    if not any(needle in out for needle in needles):
        return rows
    for line in out[: out.rfind(b"\n") + 1].splitlines():
        if any(needle in line for needle in needles):
            parsed = json.loads(line)
            for value in parsed if isinstance(parsed, list) else [parsed]:
                row = dict(_leaves(value))
                if row[member] in values:
                    rows[frozenset(row.items())] += 1
    return rows


def _last(out: bytes) -> dict[str, Any]:
    """Return the leaves of the last complete line."""
    lines = out[: out.rfind(b"\n") + 1].splitlines()
    return dict(_leaves(json.loads(lines[-1]))) if lines else {}


def _summed(rows: Rows, work: Work) -> Rows:
    """Add up the members of ``work.sums``, and leave out what is not compared."""
    left_out = {*work.sums, *work.ignored, *(name.removesuffix("_raw") for name in work.sums)}
    sums: dict[frozenset[tuple[str, Any]], Counter[str]] = {}
    counts: Rows = Rows()
    for row, number in rows.items():
        key = frozenset(leaf for leaf in row if leaf[0] not in left_out)
        counts[key] += number
        for name, value in row:
            if name in work.sums:
                sums.setdefault(key, Counter())[name] += value * number
    if not work.sums:
        return counts
    return Rows(frozenset({*row, *sums[row].items()}) for row in counts)


def _compare(found: Rows, expected: Rows) -> None:
    """Check that rows are equal in all leaves, but for those of stacks."""
    assert expected
    names = {name for row in found for name, _ in row}
    lacking = {name for row in expected for name, _ in row} - names - _STACKS
    assert not lacking, f"only ig's: {sorted(lacking)}"
    known: Rows = Rows()
    for row, number in expected.items():
        known[frozenset(leaf for leaf in row if leaf[0] in names)] += number
    missing, surplus = (sorted(map(sorted, rows)) for rows in (known - found, found - known))
    assert not missing, f"missing: {missing}; instead: {surplus}"
    assert not surplus, f"only beepy's: {surplus}"
