"""Programs of traffic control on one end of a wire, by tcx and by filters on a clsact qdisc."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import hooks
from beepy.errors import AttachError
from beepy.hooks import Target, journal
from tests.support import apart, child, network
from tests.support.hits import attach, compile_object, hits, loaded
from tests.support.network import Network

pytestmark = pytest.mark.kernel

ROWS = {"on_ingress": 0, "on_egress": 1, "on_either": 2}
ARRIVE, LEAVE = 3, 2
WAYS = [  # program, what --attach says, frames that it sees
    ("on_ingress", "", ARRIVE),
    ("on_egress", "", LEAVE),
    ("on_either", "", ARRIVE),
    ("on_either", "wire-b", ARRIVE),
    ("on_either", "wire-b/egress", LEAVE),
    ("on_either", "/egress", LEAVE),
    ("on_egress", "wire-b/ingress", ARRIVE),
]
OLD = """
import errno, logging, os, signal, sys
from pathlib import Path
from beepy import uapi
from beepy.hooks import Target, journal
from beepy.sys import call
from tests.kernel.hooks.test_tc import WAYS, both, counts
from tests.support.hits import attach, loaded
from tests.support.network import Network
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object("new_tc", tmp_path_factory.mktemp("net"))


@pytest.fixture
def wire() -> Iterator[Network]:
    with network.private() as found:
        yield found


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def old(directory: Path, path: Path, wire: Network, *lines: str) -> str:
    """Return code of a process for which there is no tcx, as before v6.6."""
    given = f"journal.DIRECTORY, path = Path({str(directory)!r}), Path({str(path)!r})\n"
    given += f"wire = Network({wire.holder})\n"
    return OLD + given + "\n".join(lines)


def qdiscs(wire: Network) -> list[str]:
    return re.findall(
        r"^qdisc (clsact)", wire.run("tc", "qdisc", "show", "dev", wire.b), re.MULTILINE
    )


def filters(wire: Network) -> list[str]:
    """Return the names of the programs of filters in both directions."""
    shown = "".join(
        wire.run("tc", "filter", "show", "dev", wire.b, side) for side in ("ingress", "egress")
    )
    return re.findall(r"handle 0x\w+ (\S+) direct-action", shown)


def counts(path: Path, wire: Network, name: str, place: str, seen: int) -> None:
    with loaded(path) as collection:
        wire.send(1)
        wire.send(1, wire.b)
        with attach(collection, name, Target(place, iface=wire.b, netns=wire.name)):
            wire.send(ARRIVE)
            wire.send(LEAVE, wire.b)
        wire.send(1)
        wire.send(1, wire.b)
        assert hits(collection, ROWS[name]) == seen


@pytest.mark.parametrize(("name", "place", "seen"), WAYS)
def test_tcx_sees_one_direction(
    name: str, place: str, seen: int, path: Path, wire: Network
) -> None:
    counts(path, wire, name, place, seen)


def test_a_filter_is_used_without_tcx(path: Path, wire: Network, directory: Path) -> None:
    """BPF_LINK_CREATE answers EINVAL (seccomp says it here)."""
    told = child.run(old(directory, path, wire, "for way in WAYS:", "    counts(path, wire, *way)"))
    assert told.count("no tcx, attaching by a filter on clsact") == len(WAYS)
    assert (qdiscs(wire), filters(wire)) == ([], [])


def both(path: Path, wire: Network) -> None:
    """Two programs one after the other: the qdisc of the first stays as long as one is there."""
    target = Target(iface=wire.b, netns=wire.name)
    with loaded(path) as collection:
        first, second = (
            attach(collection, "on_ingress", target),
            attach(collection, "on_either", target),
        )
        with second:
            first.close()
            wire.send(1)
            assert (hits(collection, 0), hits(collection, 2)) == (0, 1)


def test_the_qdisc_stays_while_it_is_used(path: Path, wire: Network, directory: Path) -> None:
    child.run(old(directory, path, wire, "both(path, wire)"))
    assert filters(wire) == []


@pytest.mark.parametrize("theirs", [False, True])
def test_a_killed_process_s_filters_are_removed(
    theirs: bool, path: Path, wire: Network, directory: Path
) -> None:
    if theirs:
        wire.run("tc", "qdisc", "add", "dev", wire.b, "clsact")
    lines = (
        "with loaded(path) as collection:",
        "    target = Target(iface=wire.b, netns=wire.name)",
        "    names = ('on_ingress', 'on_egress', 'on_either')",
        "    links = [attach(collection, name, target) for name in names]",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    command = [sys.executable, "-c", old(directory, path, wire, *lines)]
    done = subprocess.run(command, cwd=child.ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert sorted(name.split(":")[2] for name in filters(wire)) == [
        "on_egress",
        "on_either",
        "on_ingress",
    ]
    hooks.sweep()
    assert (qdiscs(wire), filters(wire)) == (["clsact"] if theirs else [], [])


def test_filters_of_others_stay(path: Path, wire: Network, directory: Path) -> None:
    wire.run("tc", "qdisc", "add", "dev", wire.b, "clsact")
    classifier = ("bpf", "direct-action", "obj", str(path), "sec", "classifier")
    # A private file system, because tc leaves directories there.
    mounted = ("sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$@"', "sh")
    wire.run(
        *apart.command(), *mounted, "tc", "filter", "add", "dev", wire.b, "ingress", *classifier
    )
    before = filters(wire)
    assert len(before) == 1
    child.run(old(directory, path, wire, "counts(path, wire, *WAYS[0])"))
    assert (qdiscs(wire), filters(wire)) == (["clsact"], before)


def test_several_programs_see_the_same_frames(path: Path, wire: Network) -> None:
    target = Target(iface=wire.b, netns=wire.name)
    with (
        loaded(path) as collection,
        attach(collection, "on_ingress", target),
        attach(collection, "on_either", target),
    ):
        wire.send(2)
        assert (hits(collection, 0), hits(collection, 2)) == (2, 2)


def test_an_invalid_target_is_an_error(path: Path) -> None:
    with loaded(path) as collection, pytest.raises(AttachError) as caught:
        attach(collection, "on_either", Target("lo/middle"))
    why = "expected INTERFACE, INTERFACE/ingress or INTERFACE/egress"
    message = f"program 'on_either': tc 'lo/middle': {why}"
    assert str(caught.value) == message
