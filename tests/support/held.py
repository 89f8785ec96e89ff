"""Maps, programs and links that processes hold, by kernel id; and whether they still exist."""

import errno
from pathlib import Path

from beepy import uapi
from beepy.sys import syscall
from beepy.uapi import Cmd
from tests.support.scrape import until

KINDS = {"map": Cmd.MAP_GET_NEXT_ID, "prog": Cmd.PROG_GET_NEXT_ID, "link": Cmd.LINK_GET_NEXT_ID}

Number = tuple[str, int]


def held(pid: int) -> set[Number]:
    """Return what descriptors of the process refer to."""
    found = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = info.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:  # our own look at the folder
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name.removesuffix("_id") in KINDS and name.endswith("_id"):
                found.add((name.removesuffix("_id"), int(value)))
    return found


def alive() -> set[Number]:
    """Return all that the kernel has; nothing is opened.

    Whoever opens a program array and closes it while the kernel clears it makes the kernel keep it
    for ever (prog_array_map_clear counts a reference for work that is queued already): bpftool's
    list does.
    """
    found = set()
    for kind, command in KINDS.items():
        attr = uapi.GetId()
        while syscall._bpf(command, attr, kind, errno.ENOENT) >= 0:
            found.add((kind, int(attr.next_id)))
            attr.id = attr.next_id
    return found


def wait_for_end(numbers: set[Number]) -> None:
    """Wait until the kernel has let go of them all: it frees some after a grace period."""
    until(lambda: numbers & alive(), lambda left: not left)
