"""Programs of sockets, maps of sockets and network namespaces, each provoked by real traffic."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import hooks, sections
from beepy.errors import AttachError
from beepy.hooks import Target, journal
from tests.support import child, network, told
from tests.support.hits import attach, compile_object, hits, loaded
from tests.support.network import Network
from tests.support.sockets import connection, exchange

pytestmark = pytest.mark.kernel

SOCKET, SK_LOOKUP, FLOW_DISSECTOR, STREAM_PARSER, STREAM_VERDICT, SK_MSG = range(6)
HOST = "127.0.0.1"
OLD = """
import errno, logging, os, signal, sys
from pathlib import Path
from beepy import uapi
from beepy.hooks import Target, journal
from beepy.sys import call
from tests.kernel.hooks.test_sockets import dissects, messages
from tests.support.hits import attach, loaded
from tests.support.network import Network
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object("sockets", tmp_path_factory.mktemp("sockets"))


@pytest.fixture(scope="module")
def wire() -> Iterator[Network]:
    with network.private() as found:
        yield found


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def old(directory: Path, path: Path, wire: Network, *lines: str) -> str:
    """Return code of a process that has no links."""
    given = f"journal.DIRECTORY, path = Path({str(directory)!r}), Path({str(path)!r})\n"
    given += f"wire = Network({wire.holder})\n"
    return OLD + given + "\n".join(lines)


@pytest.mark.parametrize(("place", "seen"), [("", 2 * 5), ("wire-b", 5), ("lo", 0)])
def test_a_socket_filter_sees_both_directions(
    place: str, seen: int, path: Path, wire: Network
) -> None:
    with loaded(path) as collection:
        wire.send(1)
        with attach(collection, "on_frame", Target(place, netns=wire.name)):
            wire.send(3)
            wire.send(2, wire.b)
        wire.send(1)
        assert hits(collection, SOCKET) == seen


def look_up(wire: Network) -> None:
    with wire.inside(), connection():
        pass


@pytest.mark.parametrize("by_name", [False, True])
def test_socket_lookup_in_one_namespace(by_name: bool, path: Path, wire: Network) -> None:
    with loaded(path) as collection:
        with attach(
            collection, "on_lookup", Target(wire.name) if by_name else Target(netns=wire.name)
        ):
            with connection():
                pass
            assert hits(collection, SK_LOOKUP) == 0, "that was in our own"
            look_up(wire)
            seen = hits(collection, SK_LOOKUP)
            assert seen > 0
        look_up(wire)
        assert hits(collection, SK_LOOKUP) == seen


def dissects(path: Path, wire: Network) -> None:
    with loaded(path) as collection:
        with attach(collection, "on_flow", Target(netns=wire.name)):
            wire.send(2)
            assert hits(collection, FLOW_DISSECTOR) > 0
        seen = hits(collection, FLOW_DISSECTOR)
        wire.send(2)
        assert hits(collection, FLOW_DISSECTOR) == seen


def test_flow_dissector_of_one_namespace(path: Path, wire: Network) -> None:
    dissects(path, wire)


def test_flow_dissector_without_links(path: Path, wire: Network, directory: Path) -> None:
    """As before v5.8: BPF_LINK_CREATE answers EINVAL (seccomp says it here)."""
    told = child.run(old(directory, path, wire, "dissects(path, wire)"))
    assert "program 'on_flow': no link for a flow dissector, attaching by BPF_PROG_ATTACH" in told


def test_a_killed_process_s_flow_dissector_is_detached(
    path: Path, wire: Network, directory: Path
) -> None:
    lines = (
        "with loaded(path) as collection:",
        "    attach(collection, 'on_flow', Target(netns=wire.name))",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    command = [sys.executable, "-c", old(directory, path, wire, *lines)]
    done = subprocess.run(command, cwd=child.ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with loaded(path) as collection:
        with pytest.raises(AttachError):
            attach(collection, "on_flow", Target(netns=wire.name))
        hooks.sweep()
        attach(collection, "on_flow", Target(netns=wire.name)).close()


def messages(path: Path) -> None:
    names = {"on_stream": STREAM_PARSER, "on_message": STREAM_VERDICT, "on_send": SK_MSG}
    with loaded(path) as collection:
        links = [attach(collection, name, Target()) for name in names]
        exchange(collection.maps["connections"])
        seen = {name: hits(collection, row) for name, row in names.items()}
        assert all(seen.values()), seen
        for one in reversed(links):
            one.close()
        exchange(collection.maps["connections"])
        assert {name: hits(collection, row) for name, row in names.items()} == seen


def test_a_socket_map_sees_what_its_sockets_receive_and_send(path: Path) -> None:
    messages(path)


def test_a_socket_map_without_links(path: Path, wire: Network, directory: Path) -> None:
    """As before v6.10."""
    told = child.run(old(directory, path, wire, "messages(path)"))
    assert told.count("no sockmap link, attaching by BPF_PROG_ATTACH") == 3


def test_the_map_is_given_or_the_only_one(path: Path) -> None:
    with loaded(path) as collection:
        attach(collection, "on_send", Target("connections")).close()
        with pytest.raises(AttachError) as caught:
            attach(collection, "on_send", Target("hits"))
        assert (
            str(caught.value)
            == "program 'on_send': map 'hits': not a SOCKMAP or SOCKHASH of the object"
        )
        assert caught.value.__notes__ == ["socket maps: connections"]
        hook = sections.find("sk_msg")
        assert hook
        with pytest.raises(AttachError) as caught:
            hooks.attach(collection.programs["on_send"], Target())
        assert str(caught.value) == "program 'on_send': sk_msg: the object has no socket map"
        assert told.notes(caught.value) == ["--attach on_send=MAP; socket maps: none"]


def test_a_netfilter_hook_sees_packets(tmp_path: Path, wire: Network) -> None:
    with loaded(compile_object("new_netfilter", tmp_path)) as collection:
        with attach(collection, "on_packet", Target("ipv4/input/-100", netns=wire.name)):
            with connection():
                pass
            assert hits(collection, 0) == 0, "that was in our own namespace"
            look_up(wire)
            seen = hits(collection, 0)
            assert seen > 0
            with pytest.raises(AttachError) as caught:
                attach(collection, "on_packet", Target("ipv4/input/-100", netns=wire.name))
            assert "device or resource busy (EBUSY)" in str(caught.value)
            (note,) = told.notes(caught.value)
            assert (
                note == "another program has that priority: --attach on_packet=FAMILY/HOOK/PRIORITY"
            )
        look_up(wire)
        assert hits(collection, 0) == seen
        for place in ("", "ipv4", "arp/input", "ipv4/forwards", "ipv4/input/first"):
            with pytest.raises(AttachError) as caught:
                attach(collection, "on_packet", Target(place))
            expected = f"netfilter '{place}': expected FAMILY/HOOK or FAMILY/HOOK/PRIORITY"
            assert str(caught.value) == f"program 'on_packet': {expected}"
