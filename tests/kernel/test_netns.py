"""Network namespaces: whichever way one is named, and that nobody stays in it."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.kernel import netns
from tests.support import network
from tests.support.network import Network

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def other() -> Iterator[Network]:
    with network.private() as found:
        yield found


def here() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


@pytest.mark.parametrize("form", ["{}", "/proc/{}/ns/net"])
def test_a_pid_or_a_path_names_one(form: str, other: Network) -> None:
    before = here()
    with netns.open_namespace(form.format(other.holder)) as namespace:
        with netns.entered(namespace):
            assert interfaces() == {"lo", other.a, other.b}
            assert here() != before
        assert here() == before


def test_a_name_is_looked_up_where_ip_keeps_it() -> None:
    assert netns.path("blue") == Path("/run/netns/blue")
    assert netns.path("12") == Path("/proc/12/ns/net")
    assert netns.path("./12") == Path("12")


def test_only_this_thread_moves(other: Network) -> None:
    moved = threading.Event()
    seen: list[str] = []

    def look() -> None:
        moved.wait()
        seen.append(here())

    thread = threading.Thread(target=look)
    thread.start()
    before = here()
    with other.inside():
        moved.set()
        thread.join()
    assert seen == [before]


def test_an_error_inside_leads_back(other: Network) -> None:
    before = here()
    with pytest.raises(ZeroDivisionError), other.inside():
        raise ZeroDivisionError
    assert here() == before


def test_our_own_is_entered_without_a_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with netns.open_namespace("") as ours, netns.entered(ours):
        pass
    assert "setns" not in caplog.text


def test_one_is_found_again_by_its_identity(other: Network) -> None:
    with netns.open_namespace(other.name) as namespace:
        known = netns.identity(namespace)
    for hint in (f"/proc/{other.holder}/ns/net", "/nowhere", ""):
        found = netns.find(known, hint)
        assert found
        with found:
            assert netns.identity(found) == known
    with netns.open_namespace("") as ours:
        found = netns.find(netns.identity(ours), "/nowhere")
        assert found
        found.close()
    assert netns.find("0:0", "/proc/self/ns/net") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("beepy-none", "network namespace 'beepy-none': no such file or directory (ENOENT)"),
        ("/a\nb", r"network namespace '/a\x0ab': no such file or directory (ENOENT)"),
        ("a\0b", r"network namespace 'a\x00b': no such file or directory (ENOENT)"),
    ],
)
def test_what_is_not_there_is_told(name: str, message: str) -> None:
    with pytest.raises(KernelError) as caught:
        netns.open_namespace(name)
    assert str(caught.value) == message


def test_what_is_no_namespace_is_told() -> None:
    with netns.open_namespace("/dev/null") as namespace, pytest.raises(KernelError) as caught, netns.entered(namespace):
        pass
    assert str(caught.value) == "network namespace: invalid argument (EINVAL)"
