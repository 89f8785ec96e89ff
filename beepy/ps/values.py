"""What ``beepy ps`` shows: programs, maps and links as values."""

from typing import NamedTuple


class Program(NamedTuple):
    """A loaded program.

    ``attached`` is where: none if nothing says it. ``pids`` are the processes that hold it, or a
    link or perf event of it. ``image`` is None unless a process of beepy says it. ``cpu`` is a
    share of one CPU. ``runs_per_second`` and ``cpu`` are None if they were not measured,
    ``ns_per_run`` also if it did not run. ``bytes`` are its own, without those of ``maps``.
    """

    id: int
    name: str
    type: str
    tag: str
    attached: tuple[str, ...]
    image: str | None
    pids: tuple[int, ...]
    runs_per_second: float | None
    ns_per_run: float | None
    cpu: float | None
    bytes: int | None
    maps: tuple[int, ...]
    links: tuple[int, ...]
    pins: tuple[str, ...]
    uid: int


class Map(NamedTuple):
    """A map: ``programs`` use it, ``pids`` hold it, ``bytes`` are what the kernel charges for."""

    id: int
    name: str
    type: str
    key_size: int
    value_size: int
    max_entries: int
    bytes: int | None
    programs: tuple[int, ...]
    pids: tuple[int, ...]
    pins: tuple[str, ...]


class Link(NamedTuple):
    """A link of a program (None: of a map of operations) to where it is ``attached``."""

    id: int
    type: str
    program: int | None
    attached: str
    pids: tuple[int, ...]
    pins: tuple[str, ...]


class Machine(NamedTuple):
    """What was found.

    ``seconds`` is how long runs were counted, 0 if they were not. ``unreadable`` is the number of
    processes that could not be looked into: they may hold something.
    """

    seconds: float
    programs: tuple[Program, ...]
    maps: tuple[Map, ...]
    links: tuple[Link, ...]
    unreadable: int
