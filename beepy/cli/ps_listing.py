"""Format the programs, maps and links of a machine as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from beepy.cli.figures import rate_text, share_text, time_text
from beepy.cli.listing import size_text
from beepy.ps.values import Link, Machine, Map, Program
from beepy.text import safe
from beepy.width import pad, truncate, width

_MAX_PIDS: Final = 3  # in a cell
_MIN_LAST: Final = 12  # columns of a terminal for the last cell
_WANTED: Final = 28  # the same: others are hidden for it
_HIDEABLE: Final = ("TYPE", "PIDS")
_RIGHT: Final = frozenset(
    {"ID", "RUNS/S", "TIME/RUN", "CPU", "MEMORY", "ENTRIES", "PROGRAM", "UID"}
)


def programs(machine: Machine, max_width: int | None) -> list[str]:
    """Return the lines of a table of programs, those first that cost most.

    To fit ``max_width``, unless that is None, type and processes are hidden, if need be, and the
    last column is cut.
    """
    ordered = sorted(machine.programs, key=lambda program: (-(program.cpu or 0), program.id))
    return _table([_program(program) for program in ordered] or [_NO_PROGRAM], max_width)


def wide(machine: Machine) -> list[str]:
    """Return the lines of the tables of programs, maps and links, with all columns."""
    tables = (
        [{**_program(program), **_more(program)} for program in machine.programs] or [_NO_PROGRAM],
        [_map(map_) for map_ in machine.maps],
        [_link(link) for link in machine.links],
    )
    lines = [line for rows in tables if rows for line in ("", *_table(rows, None))]
    return lines[1:]


def notes(machine: Machine, *, wide: bool) -> Iterator[str]:
    """Yield what the tables do not show."""
    if not wide and (machine.maps or machine.links):
        size = size_text(sum([map_.bytes or 0 for map_ in machine.maps]))
        maps, links = _count(len(machine.maps), "map"), _count(len(machine.links), "link")
        yield f"{maps} of {size}, {links}: beepy ps -o wide shows them"
    if machine.unreadable:
        processes = _count(machine.unreadable, "process", "processes")
        have = "it has" if machine.unreadable == 1 else "they have"
        yield f"{processes} could not be looked into: {have} privileges that beepy lacks"


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _program(program: Program) -> dict[str, str]:
    return {
        "ID": str(program.id),
        "NAME": safe(program.name) or "-",
        "TYPE": program.type,
        "IMAGE": safe(program.image or "-"),
        "PIDS": _numbers(program.pids),
        "RUNS/S": "-" if program.runs_per_second is None else rate_text(program.runs_per_second),
        "TIME/RUN": "-" if program.ns_per_run is None else time_text(program.ns_per_run),
        "CPU": "-" if program.cpu is None else share_text(program.cpu),
        "ATTACHED": safe(", ".join(program.attached)) or "-",
    }


_NO_PROGRAM: Final = dict.fromkeys(
    ("ID", "NAME", "TYPE", "IMAGE", "PIDS", "RUNS/S", "TIME/RUN", "CPU", "ATTACHED"), ""
)


def _more(program: Program) -> dict[str, str]:
    """Return the cells of a program that only wide tables have."""
    return {
        "MEMORY": _size(program.bytes),
        "UID": str(program.uid),
        "MAPS": _numbers(program.maps, None),
        "LINKS": _numbers(program.links, None),
        "PINS": _paths(program.pins),
    }


def _map(map_: Map) -> dict[str, str]:
    return {
        "ID": str(map_.id),
        "MAP": safe(map_.name) or "-",
        "TYPE": map_.type,
        "MEMORY": _size(map_.bytes),
        "ENTRIES": str(map_.max_entries),
        "PROGRAMS": _numbers(map_.programs, None),
        "PIDS": _numbers(map_.pids),
        "PINS": _paths(map_.pins),
    }


def _link(link: Link) -> dict[str, str]:
    return {
        "ID": str(link.id),
        "LINK": link.type,
        "PROGRAM": "-" if link.program is None else str(link.program),
        "PIDS": _numbers(link.pids),
        "PINS": _paths(link.pins),
        "ATTACHED": safe(link.attached),
    }


def _size(size: int | None) -> str:
    return "-" if size is None else size_text(size)


def _numbers(numbers: Sequence[int], most: int | None = _MAX_PIDS) -> str:
    """Return numbers, at most ``most`` of them."""
    more = f",+{len(numbers) - most}" if most is not None and len(numbers) > most else ""
    return ",".join([str(number) for number in numbers[:most]]) + more or "-"


def _paths(paths: Sequence[str]) -> str:
    return ",".join([safe(path) for path in paths]) or "-"


def _table(rows: Sequence[Mapping[str, str]], max_width: int | None) -> list[str]:
    """Return the lines of a table; columns are hidden, and the last is cut, to fit a width."""
    columns = {name: [name, *[row[name] for row in rows if any(row.values())]] for name in rows[0]}
    widths = {name: max(map(width, cells)) for name, cells in columns.items()}
    if max_width is not None:
        last = [*columns][-1]
        room = max_width - sum([size + 2 for name, size in widths.items() if name != last])
        for name in _HIDEABLE:
            if room < min(widths[last], _WANTED):
                room += widths[name] + 2
                del columns[name]
        columns[last] = [truncate(cell, max(room, _MIN_LAST)) for cell in columns[last]]
    padded = [
        [pad(cell, widths[name], right=name in _RIGHT) for cell in columns[name]]
        for name in columns
    ]
    return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
