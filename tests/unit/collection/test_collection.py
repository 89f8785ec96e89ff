"""The end of a collection: everything is let go, whatever raises on the way."""

import os

import pytest

from beepy.collection.collection import Collection
from beepy.errors import KernelError
from beepy.kernel.link import Link
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.obj.spec import CollectionSpec
from beepy.sys.fd import Fd
from beepy.uapi import AttachType, MapType, ProgType


def opened() -> Fd:
    return Fd(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


def is_closed(fd: Fd) -> bool:
    try:
        fd.fileno()
    except ValueError:
        return True
    return False


def gone() -> Fd:
    """Return one that somebody else closed: its own close raises."""
    fd = opened()
    os.close(fd.fileno())
    return fd


def refuse() -> None:
    raise KernelError("detach: refused")


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("raises", "expected"), [(refuse, KernelError), (interrupt, KeyboardInterrupt)]
)
def test_one_that_raises_keeps_no_other(raises: object, expected: type[BaseException]) -> None:
    assert callable(raises)
    order: list[str] = []
    links = [Link(opened(), then=[lambda: order.append("first")]), Link(opened(), then=[raises])]
    links.append(Link(opened(), then=[lambda: order.append("last")]))
    collection = Collection(CollectionSpec("x", "GPL", (), (), (), (), None), {})
    collection.links = list(links)
    held, loaded = opened(), opened()
    collection.maps["m"] = Map(held, "m", MapType.ARRAY, 4, 4, 1)
    collection.programs["p"] = Program(loaded, "p", ProgType.TRACEPOINT, AttachType(0), "tp/a/b")
    with pytest.raises(expected):
        collection.close()
    assert order == ["last", "first"]
    assert (is_closed(held), is_closed(loaded)) == (True, True)
    collection.close()
    assert order == ["last", "first"]


def test_a_link_closes_all_that_it_holds() -> None:
    order: list[str] = []
    before, after = opened(), opened()
    link = Link(
        before, gone(), after, then=[lambda: order.append("one"), lambda: order.append("two")]
    )
    with pytest.raises(OSError, match="Bad file descriptor"):
        link.close()
    assert (is_closed(before), is_closed(after), order) == (True, True, ["one", "two"])
    link.close()
    assert order == ["one", "two"]
