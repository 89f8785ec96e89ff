"""Open network namespaces by name, path or pid; enter them and return."""

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
    with network.private() as private:
        yield private


def current() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


@pytest.mark.parametrize("form", ["{}", "/proc/{}/ns/net"])
def test_a_namespace_is_named_by_pid_or_path(form: str, other: Network) -> None:
    before = current()
    with netns.open_namespace(form.format(other.holder)) as namespace:
        with netns.entered(namespace):
            assert interfaces() == {"lo", other.a, other.b}
            assert current() != before
        assert current() == before


def test_a_name_is_a_file_of_ip_netns() -> None:
    assert netns.path("blue") == Path("/run/netns/blue")
    assert netns.path("12") == Path("/proc/12/ns/net")
    assert netns.path("./12") == Path("12")


def test_other_threads_stay_in_their_namespace(other: Network) -> None:
    moved = threading.Event()
    seen: list[str] = []

    def look() -> None:
        moved.wait()
        seen.append(current())

    thread = threading.Thread(target=look)
    thread.start()
    before = current()
    with other.inside():
        moved.set()
        thread.join()
    assert seen == [before]


def test_an_exception_returns_to_the_old_namespace(other: Network) -> None:
    before = current()
    with pytest.raises(ZeroDivisionError), other.inside():
        raise ZeroDivisionError
    assert current() == before


def test_entering_the_current_namespace_makes_no_system_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with netns.open_namespace("") as ours, netns.entered(ours):
        pass
    assert "setns" not in caplog.text


def test_find_opens_a_namespace_by_its_identity(other: Network) -> None:
    with netns.open_namespace(other.name) as namespace:
        known = netns.identity(namespace)
    for hint in (f"/proc/{other.holder}/ns/net", "/nowhere", ""):
        namespace_again = netns.find(known, hint)
        assert namespace_again
        with namespace_again:
            assert netns.identity(namespace_again) == known
    with netns.open_namespace("") as ours:
        ours_again = netns.find(netns.identity(ours), "/nowhere")
        assert ours_again
        ours_again.close()
    assert netns.find("0:0", "/proc/self/ns/net") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("beepy-none", "network namespace 'beepy-none': no such file or directory (ENOENT)"),
        ("/a\nb", r"network namespace '/a\x0ab': no such file or directory (ENOENT)"),
        ("a\0b", r"network namespace 'a\x00b': no such file or directory (ENOENT)"),
    ],
)
def test_a_missing_namespace_is_an_error(name: str, message: str) -> None:
    with pytest.raises(KernelError) as caught:
        netns.open_namespace(name)
    assert str(caught.value) == message


def test_a_file_that_is_not_a_namespace_is_an_error() -> None:
    with (
        netns.open_namespace("/dev/null") as namespace,
        pytest.raises(KernelError) as caught,
        netns.entered(namespace),
    ):
        pass
    assert str(caught.value) == "network namespace: invalid argument (EINVAL)"
