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
from beepy.hooks import Target, journal, xdp
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
from beepy.hooks import Target, journal, xdp
from beepy.sys import call
from tests.kernel.hooks.test_xdp import counts
from tests.support.hits import attach, loaded
from tests.support.network import Network
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
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
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def attached(wire: Network) -> list[str]:
    """Return the ids of the programs on the attached end."""
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
def test_a_link_sees_what_arrives(
    name: str, path: Path, wire: Network, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    counts(path, wire, name)
    assert "netlink" not in caplog.text


@pytest.mark.parametrize("name", ROWS)
def test_netlink_is_used_without_xdp_links(
    name: str, path: Path, wire: Network, directory: Path
) -> None:
    """As before v5.9: BPF_LINK_CREATE answers EINVAL (seccomp says it here)."""
    told = child.run(
        OLD
        + f"journal.DIRECTORY = Path({str(directory)!r})\n"
        + f"counts(Path({str(path)!r}), Network({wire.holder}), {name!r})\n"
    )
    assert f"program '{name}': no XDP link, attaching by netlink" in told


@pytest.fixture
def jumbo(wire: Network) -> Iterator[Network]:
    """With packets too large for its driver's XDP."""
    wire.run("ip", "link", "set", wire.a, "mtu", "9000")
    yield wire
    wire.run("ip", "link", "set", wire.a, "mtu", "1500")


GIVE_INTERFACE = "--iface NAME or --attach on_xdp=NAME"
WARNING = "program 'on_xdp': xdp wire-b: in generic mode, which is slower: the driver refused: "


def test_generic_mode_is_used_if_the_driver_refuses(
    path: Path, jumbo: Network, caplog: pytest.LogCaptureFixture
) -> None:
    counts(path, jumbo, "on_xdp")
    assert [record.getMessage().startswith(WARNING) for record in caplog.records] == [True]


def test_generic_mode_by_netlink(path: Path, jumbo: Network, directory: Path) -> None:
    told = child.run(
        OLD
        + f"journal.DIRECTORY = Path({str(directory)!r})\n"
        + f"counts(Path({str(path)!r}), Network({jumbo.holder}), 'on_xdp')\n"
    )
    assert WARNING in told


def test_a_killed_process_s_program_is_detached(path: Path, wire: Network, directory: Path) -> None:
    code = (
        OLD
        + f"""
journal.DIRECTORY = Path({str(directory)!r})
with loaded(Path({str(path)!r})) as collection:
    attach(collection, "on_xdp", Target(iface={wire.b!r}, netns={wire.name!r}))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=child.ROOT, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(attached(wire)) == 1
    hooks.sweep()
    assert attached(wire) == []


def test_an_attached_program_is_not_replaced(path: Path, wire: Network) -> None:
    with (
        loaded(path) as collection,
        attach(collection, "on_xdp", Target(iface=wire.b, netns=wire.name)),
    ):
        with pytest.raises(AttachError) as caught:
            attach(collection, "on_frags", Target(iface=wire.b, netns=wire.name))
        assert str(caught.value) == f"program 'on_frags': xdp {wire.b}: has a program already"
        assert caught.value.__notes__ == [f"to show it: ip link show dev {wire.b}"]
        assert attached(wire) == [str(collection.programs["on_xdp"].id())]


def test_cleanup_detaches_no_other_program(path: Path, wire: Network) -> None:
    with wire.inside():
        index = str(socket.if_nametoindex(wire.b))
    with loaded(path) as collection, netns.open_namespace(wire.name) as namespace:
        one, other = (str(collection.programs[name].id()) for name in ("on_xdp", "on_frags"))
        what = f"/proc/{wire.holder}/ns/net", netns.identity(namespace), index
        with attach(collection, "on_xdp", Target(iface=wire.b, netns=wire.name)):
            xdp.cleanup(*what, other)
            xdp.cleanup("/nowhere", "0:0", index, one)
            assert attached(wire) == [one]
        xdp.cleanup(*what[:2], "999999", one)


@pytest.mark.parametrize(
    ("target", "message", "note"),
    [
        (
            Target(iface="wire-x"),
            "program 'on_xdp': interface 'wire-x': no such interface",
            "interfaces in network namespace '{0}': lo, wire-b, wire-a",
        ),
        (
            Target("a\0\n"),
            r"program 'on_xdp': interface 'a\x00\x0a': no such interface",
            "interfaces in network namespace '{0}': lo, wire-b, wire-a",
        ),
        (
            Target(),
            "program 'on_xdp': xdp: no interface is given",
            f"{GIVE_INTERFACE}; interfaces in network namespace '{{0}}': lo, wire-b, wire-a",
        ),
    ],
)
def test_a_missing_interface_is_an_error(
    target: Target, message: str, note: str, path: Path, wire: Network
) -> None:
    with loaded(path) as collection, pytest.raises(AttachError) as caught:
        attach(collection, "on_xdp", target._replace(netns=wire.name))
    assert str(caught.value) == message
    assert told.notes(caught.value) == [note.format(wire.name)]


def test_attach_overrides_iface(path: Path, wire: Network) -> None:
    with (
        loaded(path) as collection,
        attach(
            collection,
            "on_xdp",
            Target(wire.b, iface="nowhere", netns=f"/proc/{wire.holder}/ns/net"),
        ),
    ):
        assert len(attached(wire)) == 1


def test_a_missing_namespace_is_an_error(path: Path) -> None:
    with loaded(path) as collection, pytest.raises(AttachError) as caught:
        attach(collection, "on_xdp", Target(iface="lo", netns="beepy-none"))
    message = "program 'on_xdp': network namespace 'beepy-none': no such file or directory (ENOENT)"
    assert str(caught.value) == message
