"""XDP programs on one end of a wire, by a link and by netlink."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import hooks
from beepy.errors import AttachError
from beepy.hooks import Target, journal
from beepy.kernel import netns
from tests.support import child, network, told
from tests.support.hits import attach, compile_object, hits, loaded
from tests.support.network import Network

pytestmark = pytest.mark.kernel

ROWS = {"on_xdp": 0, "on_frags": 1}
OLD = """
import errno, logging, os, signal, sys
from pathlib import Path
from beepy import uapi
from beepy.hooks import Target, journal
from beepy.kernel import syscall
from tests.kernel.hooks.test_xdp import counts
from tests.support.hits import attach, loaded
from tests.support.network import Network
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
refuse(syscall._numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object("net", tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def wire() -> Iterator[Network]:
    with network.private() as found:
        yield found
        assert attached(found) == []


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "FOLDER", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def attached(wire: Network) -> list[str]:
    """The ids of the programs on the end that is attached to."""
    return re.findall(r"prog/xdp\w* id (\d+)", wire.run("ip", "-d", "link", "show", "dev", wire.b))


def counts(path: Path, wire: Network, name: str) -> None:
    with loaded(path) as collection:
        wire.send(1)
        with attach(collection, name, Target(iface=wire.b, netns=wire.name)):
            wire.send(3)
            wire.send(2, wire.b)  # XDP does not see what leaves
            assert attached(wire) == [str(collection.programs[name].id())]
        wire.send(1)
        assert hits(collection, ROWS[name]) == 3


@pytest.mark.parametrize("name", ROWS)
def test_a_link_shows_what_arrives(name: str, path: Path, wire: Network, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    counts(path, wire, name)
    assert "netlink" not in caplog.text


@pytest.mark.parametrize("name", ROWS)
def test_without_xdp_links_netlink_attaches(name: str, path: Path, wire: Network, folder: Path) -> None:
    """As before v5.9: BPF_LINK_CREATE answers EINVAL (seccomp says it here)."""
    told = child.run(
        OLD + f"journal.FOLDER = Path({str(folder)!r})\ncounts(Path({str(path)!r}), Network({wire.holder}), {name!r})\n"
    )
    assert f"program '{name}': no XDP link, attaching by netlink" in told


@pytest.fixture
def jumbo(wire: Network) -> Iterator[Network]:
    """With packets too large for its driver's XDP."""
    wire.run("ip", "link", "set", wire.a, "mtu", "9000")
    yield wire
    wire.run("ip", "link", "set", wire.a, "mtu", "1500")


WARNING = "program 'on_xdp': xdp wire-b: in generic mode, which is slower: the driver refused: "


def test_what_the_driver_refuses_is_done_in_generic_mode(
    path: Path, jumbo: Network, caplog: pytest.LogCaptureFixture
) -> None:
    counts(path, jumbo, "on_xdp")
    assert [record.getMessage().startswith(WARNING) for record in caplog.records] == [True]


def test_generic_mode_by_netlink(path: Path, jumbo: Network, folder: Path) -> None:
    told = child.run(
        OLD
        + f"journal.FOLDER = Path({str(folder)!r})\ncounts(Path({str(path)!r}), Network({jumbo.holder}), 'on_xdp')\n"
    )
    assert WARNING in told


def test_what_a_killed_process_left_is_detached(path: Path, wire: Network, folder: Path) -> None:
    code = (
        OLD
        + f"""
journal.FOLDER = Path({str(folder)!r})
with loaded(Path({str(path)!r})) as collection:
    attach(collection, "on_xdp", Target(iface={wire.b!r}, netns={wire.name!r}))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=child.ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(attached(wire)) == 1
    hooks.sweep()
    assert attached(wire) == []


def test_a_program_that_is_attached_stays(path: Path, wire: Network) -> None:
    with loaded(path) as collection, attach(collection, "on_xdp", Target(iface=wire.b, netns=wire.name)):
        with pytest.raises(AttachError) as caught:
            attach(collection, "on_frags", Target(iface=wire.b, netns=wire.name))
        assert str(caught.value) == f"program 'on_frags': xdp {wire.b}: has a program already"
        assert caught.value.__notes__ == [f"which one: ip link show dev {wire.b}"]
        assert attached(wire) == [str(collection.programs["on_xdp"].id())]


def test_an_undoing_detaches_no_other_program(path: Path, wire: Network) -> None:
    with wire.inside():
        index = str(socket.if_nametoindex(wire.b))
    with loaded(path) as collection, netns.open_namespace(wire.name) as namespace:
        one, other = (str(collection.programs[name].id()) for name in ("on_xdp", "on_frags"))
        what = f"/proc/{wire.holder}/ns/net", netns.identity(namespace), index
        with attach(collection, "on_xdp", Target(iface=wire.b, netns=wire.name)):
            hooks.UNDO["xdp"](*what, other)
            hooks.UNDO["xdp"]("/nowhere", "0:0", index, one)
            assert attached(wire) == [one]
        hooks.UNDO["xdp"](*what[:2], "999999", one)


@pytest.mark.parametrize(
    ("target", "message", "note"),
    [
        (
            Target(iface="wire-x"),
            "program 'on_xdp': interface 'wire-x': there is none of that name",
            "interfaces in network namespace '{0}': lo, wire-b, wire-a",
        ),
        (
            Target("a\0\n"),
            r"program 'on_xdp': interface 'a\x00\x0a': there is none of that name",
            "interfaces in network namespace '{0}': lo, wire-b, wire-a",
        ),
        (
            Target(),
            "program 'on_xdp': xdp: no interface is given",
            "--iface NAME or --attach on_xdp=NAME; interfaces in network namespace '{0}': lo, wire-b, wire-a",
        ),
    ],
)
def test_what_is_not_there_is_told(target: Target, message: str, note: str, path: Path, wire: Network) -> None:
    with loaded(path) as collection, pytest.raises(AttachError) as caught:
        attach(collection, "on_xdp", target._replace(netns=wire.name))
    assert str(caught.value) == message
    assert told.notes(caught.value) == [note.format(wire.name)]


def test_attach_overrules_iface(path: Path, wire: Network) -> None:
    with (
        loaded(path) as collection,
        attach(collection, "on_xdp", Target(wire.b, iface="nowhere", netns=f"/proc/{wire.holder}/ns/net")),
    ):
        assert len(attached(wire)) == 1


def test_a_namespace_that_is_not_there_is_told(path: Path) -> None:
    with loaded(path) as collection, pytest.raises(AttachError) as caught:
        attach(collection, "on_xdp", Target(iface="lo", netns="beepy-none"))
    message = "program 'on_xdp': network namespace 'beepy-none': no such file or directory (ENOENT)"
    assert str(caught.value) == message
