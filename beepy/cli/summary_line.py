"""The last lines of a run on stderr: what was shown, filtered and lost, and what it cost."""

import time
from collections.abc import Iterator, Sequence

from beepy.cli.stdio import eprint
from beepy.errors import OutputError, OverheadError
from beepy.events.batch import Schema
from beepy.events.stats import CUTS, RunStats
from beepy.log import Log
from beepy.text import safe
from beepy.units import SIZES

_log = Log(__name__)


def print_summary(
    stats: RunStats,
    started: float,
    shows_cost: bool,  # noqa: FBT001 - an ExitStack gives the rest
    error: type[BaseException] | None,
    *_: object,
) -> None:
    """Print the summary line, unless the run ends with an error that says more.

    The cost that only -v asks for is logged.

    A second signal is not such an error. After a full disk, the rows shown before it count; so
    they do if the programs cost too much.
    """
    if error is None or issubclass(error, KeyboardInterrupt | OutputError | OverheadError):
        seconds = time.monotonic() - started
        _log_details(stats)
        for line in ring_lines(stats):
            eprint(line)
        if stats.cost:
            from beepy.cli import cost_lines  # noqa: PLC0415 - few runs measure it

            for line in cost_lines.lines(stats.cost):
                if shows_cost:
                    eprint(line)
                else:
                    _log.info("%s", line)
        eprint(summary_line(stats, seconds, shows_cost=shows_cost))


def _log_details(stats: RunStats) -> None:
    for schema, (size, peak, _) in stats.rings.items():
        _log.info("map '%s': at most %d of %d bytes in use", safe(schema.map), peak, size)
    for (_, program), missed in stats.missed.items():
        if missed is None:
            _log.info("program '%s': missed runs: unknown", safe(program))


def ring_lines(stats: RunStats) -> Iterator[str]:
    """Yield the size to try for each ring buffer that was too small."""
    for schema, (size, _, wanted) in stats.rings.items():
        if wanted:
            option = f"--map-size {safe(schema.map)}={_size_text(wanted)}"
            yield f"note: {safe(schema.map)}: records did not fit {_size_text(size)}: try {option}"


def _size_text(size: int) -> str:
    for unit, factor in reversed(SIZES.items()):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def summary_line(stats: RunStats, seconds: float, *, shows_cost: bool = False) -> str:
    """Return the last line of every run: how many events were shown, filtered and lost.

    With ``shows_cost`` it has what the run cost, too.
    """
    unknown = _map_names([schema for schema, count in stats.lost.items() if count is None])
    known = sum(count for count in (*stats.lost.values(), *stats.lost_at.values()) if count)
    places = [place for (_, place), count in stats.lost_at.items() if count]
    losers = ", ".join(
        filter(None, [_map_names([schema for schema, n in stats.lost.items() if n]), *places])
    )
    parts = [f"{stats.shown} shown", f"{stats.filtered} filtered"]
    if stats.own:
        parts.append(f"{stats.own} of beepy's own left out")
    if skipped := len(stats.skipped_programs):
        parts.append(f"{skipped} programs left out" if skipped > 1 else "1 program left out")
    if stats.zeros:
        parts.append(f"{stats.zeros} zero {'row' if stats.zeros == 1 else 'rows'} hidden (--zero)")
    cuts = [(name, count) for name in CUTS if (count := stats.cut_by(name))]
    parts += [f"{count} not shown (--{name})" for name, count in cuts]
    if stats.overwritten:
        parts.append(f"{stats.overwritten} overwritten (--last)")
    evicting = _map_names([*stats.evicting])
    if known or (not unknown and not (evicting and not stats.lost)):
        parts.append(f"{known} lost ({losers})" if losers else "0 lost")
    if unknown:
        parts.append(f"lost unknown ({unknown})")
    if missed := sum(filter(None, stats.missed.values())):
        parts.append(f"{missed} missed {'run' if missed == 1 else 'runs'}")
    elif None in stats.missed.values():
        parts.append("missed runs unknown")
    if stats.sampled > 1:
        parts.append(f"sampled 1/{stats.sampled}")
    if evicting:
        parts.append(f"evictions unknown ({evicting})")
    if shows_cost and stats.cost:
        from beepy.cli import cost_lines  # noqa: PLC0415 - few runs measure it

        parts.append(cost_lines.summary(stats.cost))
    return f"beepy: {', '.join(parts)}, {seconds:.1f} s"


def _map_names(schemas: Sequence[Schema]) -> str:
    return ", ".join(dict.fromkeys([safe(schema.map) for schema in schemas]))
