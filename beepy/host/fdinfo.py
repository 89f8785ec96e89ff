"""What processes hold: the descriptors of BPF objects, in /proc."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Literal, NamedTuple, TypeAlias

from beepy.host import runtime

Kind: TypeAlias = Literal["prog", "map", "link"]

KINDS: Final[dict[str, Kind]] = {
    "anon_inode:bpf-prog": "prog",
    "anon_inode:bpf-map": "map",
    "anon_inode:bpf_link": "link",
}
"""The target of a descriptor's link in /proc -> the kind of BPF object that it is."""

_PERF_EVENT: Final = "anon_inode:[perf_event]"
_RECORD: Final = f"/memfd:{runtime.RECORD} (deleted)"
_MAX_RECORD: Final = 1 << 18  # bytes
_MAX_INFO: Final = 1 << 14  # bytes; fields that are read stand at the beginning


class Held(NamedTuple):
    """A descriptor of a process: an object by its id, or a perf event by its number."""

    pid: int
    kind: Kind | Literal["perf_event"]
    id: int


class Holders:
    """The BPF descriptors of all processes.

    ``images`` has what processes of beepy say of their programs: (pid, program id) -> image.
    ``unreadable`` is the number of processes that may not be looked into.
    """

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.images: dict[tuple[int, int], str] = {}
        self.unreadable = 0
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:  # noqa: PTH208 - only names
            try:
                self._look_into(pid)
            except PermissionError:
                self.unreadable += not _is_ending(pid)
            except (OSError, ValueError):  # it has ended
                continue

    def _look_into(self, pid: int) -> None:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - only names
            with suppress(FileNotFoundError, ProcessLookupError):  # closed since
                self._add(pid, int(name))

    def _add(self, pid: int, number: int) -> None:
        path = target(pid, number)
        if kind := KINDS.get(path):
            self.held.append(Held(pid, kind, int(fields(pid, number).get(f"{kind}_id", 0))))
        elif path == _PERF_EVENT:
            self.held.append(Held(pid, "perf_event", number))
        elif path == _RECORD:
            record = _read(f"/proc/{pid}/fd/{number}", _MAX_RECORD)
            for program_id, image in runtime.recorded_images(record).items():
                self.images[pid, program_id] = image

    def of(self, kind: Kind) -> dict[int, set[int]]:
        """Return the processes that hold each object of a kind, by its id."""
        pids: dict[int, set[int]] = {}
        for held in self.held:
            if held.kind == kind:
                pids.setdefault(held.id, set()).add(held.pid)
        return pids

    def perf_events(self) -> Iterator[tuple[int, int]]:
        """Yield pid and number of each descriptor of a perf event."""
        yield from [(held.pid, held.id) for held in self.held if held.kind == "perf_event"]


def target(pid: int, number: int) -> str:
    """Return what the link of a descriptor points to. Raises OSError."""
    return os.readlink(f"/proc/{pid}/fd/{number}")  # noqa: PTH115 - a text, which need not be a path


def fields(pid: int, number: int) -> dict[str, str]:
    """Return the fields of a descriptor's fdinfo; the first one of each name. Raises OSError."""
    text = _read(f"/proc/{pid}/fdinfo/{number}", _MAX_INFO).decode("utf-8", "replace")
    lines = [line.partition(":") for line in text.splitlines()]
    return {name: value.strip() for name, _, value in reversed(lines)}


def _is_ending(pid: int) -> bool:
    """Return whether a process has ended, and no longer has descriptors."""
    try:
        # "PID (COMM) STATE ...": the name may contain anything
        state = _read(f"/proc/{pid}/stat", _MAX_INFO).rpartition(b") ")[2][:1]
    except OSError:
        return True
    return state in b"ZX"


def _read(path: str, size: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, size)
    finally:
        os.close(fd)
