"""Control groups: what a process in one does is seen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from beepy.collection.collection import Collection
from beepy.hooks import Target
from beepy.host import cgroups
from tests.support.groups import CASES, entered
from tests.vm.checks.check import Check, Skipped
from tests.vm.checks.counted import Counted

_FAMILIES: Final = {
    "cgroup_skb": ("skb_ingress", "skb_egress", "skb"),
    "cgroup_sock": ("sock_create", "sock_release", "post_bind4"),
    "cgroup_sock_addr": (
        "bind4",
        "connect4",
        "sendmsg4",
        "recvmsg4",
        "getpeername4",
        "getsockname4",
    ),
    "cgroup_sockopt": ("getsockopt", "setsockopt"),
    "cgroup_sysctl": ("on_sysctl",),
    "cgroup_device": ("device",),
    "sockops": ("sock_ops",),
}


@contextmanager
def group() -> Iterator[Path]:
    """Make a group of cgroup v2 that lasts as long as the block."""
    root = cgroups.root()
    if not root:
        raise Skipped("cgroup v2 is not mounted")
    made = Path(root) / f"beepy-test-{os.getpid()}"
    made.mkdir()
    try:
        yield made
    finally:
        made.rmdir()


def family(*names: str) -> str:
    """Do in a group what makes each of these programs run."""
    with group() as folder:

        def provoke(_: Collection) -> None:
            with entered(folder):
                for name in names:
                    CASES[name].provoke()

        rows = {name: CASES[name].row for name in names}
        return Counted("cgroup", rows, Target(cgroup=str(folder))).show(provoke)


CHECKS: Final = tuple(
    [
        Check(kind, partial(family, *names), ("cgroup",), kinds=(kind,))
        for kind, names in _FAMILIES.items()
    ]
)
