"""Results of tools: JSON of at most ``MAX_RESULT`` bytes."""

import json
from typing import Any, Final

from beepy.events.codec import Value
from beepy.events.stats import RunStats
from beepy.events.top import Wanted
from beepy.outputs.jsonl import encode, timestamp
from beepy.session import Run

MAX_RESULT: Final = 64 << 10
"""Bytes of a result, which says if it is cut."""

_ROOM: Final = 1024  # bytes of a result for what is not a row


def rows_of(run: Run, wanted: Wanted | None) -> tuple[list[str], bool]:
    """Iterate over a run, and return its rows, or its groups, as JSON, and whether there are more.

    The run ends when they fill a result.
    """
    lines: list[str] = []
    size = 0
    for rows in run.top(wanted.most, wanted.by, total=wanted.total) if wanted else run:
        for row in rows:
            head = {"map": rows.map, "time": timestamp(rows.time_ns)}
            line = encode({**head, **row.asdict()})
            if size + len(line) + 2 > MAX_RESULT - _ROOM:
                run.stop()
                return lines, True
            lines.append(line)
            size += len(line) + 2
    return lines, False


def with_counts(lines: list[str], stats: RunStats, seconds: float, *, is_cut: bool) -> str:
    """Return rows with the counts of their run."""
    counts: dict[str, Value] = {
        **stats.totals(),
        "seconds": round(seconds, 3),
        "cut": is_cut,
    }
    return f'{encode(counts)[:-1]}, "rows": [{", ".join(lines)}]}}'


def fitting(document: dict[str, Any], left_out: tuple[str, ...]) -> str:
    """Return a document as JSON without those of its members that do not fit, which it names."""
    missing: list[str] = []
    for name in (None, *left_out):
        if name is not None:
            missing.append(name)
        kept = {key: value for key, value in document.items() if key not in missing}
        if missing:
            kept |= {"cut": True, "left_out": missing}
        text = json.dumps(kept)
        if len(text) <= MAX_RESULT:
            break
    return text
