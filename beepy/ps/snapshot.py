"""Read the kernel's BPF objects, and who holds them."""

import ctypes
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, TypeAlias

from beepy import uapi
from beepy.host import fdinfo
from beepy.host.fdinfo import Holders, Kind
from beepy.kernel import bpffs, objects, run_time
from beepy.kernel.run_time import RunTime
from beepy.ps.points import Points, lower_name
from beepy.ps.values import Link, Machine, Map, Program
from beepy.sys.fd import Fd
from beepy.uapi_objects import LinkInfo

_Pids: TypeAlias = Callable[[Kind, int], set[int]]
_Pins: TypeAlias = Callable[[Kind, int], tuple[str, ...]]


class _Loaded(NamedTuple):
    """A program as the kernel describes it; ``bytes`` is None if the kernel does not say."""

    info: uapi.ProgInfo
    maps: tuple[int, ...]
    name: str
    bytes: int | None


class _Cost(NamedTuple):
    """What a program ran in ``seconds``."""

    seconds: float
    runs: int
    ns: int


def machine(interval: float = 1.0) -> Machine:
    """Return all BPF objects of this machine; count runs for ``interval`` seconds, 0: do not.

    While they are counted, every program of the machine is slowed a little. Raises KernelError:
    EPERM without CAP_SYS_ADMIN.
    """
    costs = _count(interval) if interval else {}
    loaded = _programs()
    infos = [objects.link_info(link) for link in objects.links()]
    maps = [(objects.map_info(map_), _memory(map_)) for map_ in objects.maps()]
    holders = Holders()
    pids, pins = _by_object(holders), _pins()
    points = Points([program.info for program in loaded], infos, holders)
    links = [_link(info, points.of_link(info, name), pids, pins) for info, name in infos]
    return Machine(
        seconds=next((cost.seconds for cost in costs.values()), 0.0),
        programs=tuple(
            [
                _program(
                    program,
                    cost=costs.get(program.info.id),
                    links=links,
                    points=points,
                    pids=pids,
                    pins=pins,
                )
                for program in loaded
            ]
        ),
        maps=tuple([_map(info, size, loaded, pids, pins) for info, size in maps]),
        links=tuple(links),
        unreadable=holders.unreadable,
    )


def _programs() -> list[_Loaded]:
    programs = []
    for fd in objects.programs():
        info, maps = objects.program_info(fd)
        programs.append(_Loaded(info, maps, objects.program_name(fd, info), _memory(fd)))
    return programs


def _memory(fd: Fd) -> int | None:
    text = fdinfo.fields(os.getpid(), fd.fileno()).get("memlock", "")
    return int(text) if text.isdecimal() else None


def _count(interval: float) -> dict[int, _Cost]:
    """Return what each program ran in the interval, by its id."""
    with ExitStack() as stack:
        if statistics := run_time.enable():
            stack.enter_context(statistics)
        began = time.monotonic()
        before = run_time.of_all()
        time.sleep(interval)
        # the programs are read as fast as before, so this is the time between two of one program
        seconds = time.monotonic() - began
        after = run_time.of_all()
    return {
        number: _Cost(
            seconds,
            counts.runs - before.get(number, RunTime()).runs,
            counts.ns - before.get(number, RunTime()).ns,
        )
        for number, counts in after.items()
    }


def _by_object(holders: Holders) -> _Pids:
    """Return a function that returns the processes that hold an object of that kind and id."""
    pids = {kind: holders.of(kind) for kind in fdinfo.KINDS.values()}
    return lambda kind, number: pids[kind].get(number, set())


def _pins() -> _Pins:
    """Return a function that returns the paths at which an object is pinned."""
    paths: dict[tuple[str, int], list[str]] = {}
    for path, kind, number in bpffs.pins():
        paths.setdefault((kind, number), []).append(path)
    return lambda kind, number: tuple(paths.get((kind, number), ()))


def _program(
    loaded: _Loaded,
    *,
    cost: _Cost | None,
    links: list[Link],
    points: Points,
    pids: _Pids,
    pins: _Pins,
) -> Program:
    info = loaded.info
    number: int = info.id
    own = [link for link in links if link.program == number]
    holding = pids("prog", number).union(
        *[link.pids for link in own], points.pids_of_perf_events(number)
    )
    tag = ctypes.string_at(ctypes.addressof(info) + uapi.ProgInfo.tag.offset, 8)
    return Program(
        id=number,
        name=loaded.name,
        type=lower_name(uapi.ProgType, info.type),
        tag=tag.hex(),
        attached=points.of_program(number, [link.attached for link in own]),
        image=points.image(number, holding),
        pids=tuple(sorted(holding)),
        runs_per_second=cost.runs / cost.seconds if cost else None,
        ns_per_run=cost.ns / cost.runs if cost and cost.runs else None,
        cpu=cost.ns / 1e9 / cost.seconds if cost else None,
        bytes=loaded.bytes,
        maps=loaded.maps,
        links=tuple([link.id for link in own]),
        pins=pins("prog", number),
        uid=info.created_by_uid,
    )


def _map(
    info: uapi.MapInfo, size: int | None, programs: list[_Loaded], pids: _Pids, pins: _Pins
) -> Map:
    number: int = info.id
    return Map(
        id=number,
        name=info.name.decode("utf-8", "replace"),
        type=lower_name(uapi.MapType, info.type),
        key_size=info.key_size,
        value_size=info.value_size,
        max_entries=info.max_entries,
        bytes=size,
        programs=tuple([program.info.id for program in programs if number in program.maps]),
        pids=tuple(sorted(pids("map", number))),
        pins=pins("map", number),
    )


def _link(info: LinkInfo, attached: str, pids: _Pids, pins: _Pins) -> Link:
    number: int = info.id
    return Link(
        id=number,
        type=lower_name(uapi.LinkType, info.type),
        program=info.prog_id or None,
        attached=attached,
        pids=tuple(sorted(pids("link", number))),
        pins=pins("link", number),
    )
