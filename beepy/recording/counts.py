"""The counts of a run at the end of its recording: what was lost, and what is not in the file.

::

    {"overwritten": 21388, "sampled": 1, "lost": [[0, 3], [1, null]], "evicting": [2],
     "lost_at": [["image", "place", 4]], "missed": [["image", "program", 0]]}

Maps have the numbers of their schemas; null: nobody counts them.
"""

from collections.abc import Mapping
from typing import Any

from beepy.errors import RecordingError
from beepy.events.batch import Schema
from beepy.events.stats import RunStats
from beepy.text import safe


def document(stats: RunStats, numbers: Mapping[Schema, int]) -> dict[str, Any]:
    """Return the counts as JSON has them."""
    return {
        "overwritten": stats.overwritten,
        "sampled": stats.sampled,
        "lost": [[numbers[schema], lost] for schema, lost in stats.lost.items()],
        "evicting": [numbers[schema] for schema in stats.evicting],
        "lost_at": [[*where, lost] for where, lost in stats.lost_at.items()],
        "missed": [[*where, missed] for where, missed in stats.missed.items()],
    }


def read(
    value: Mapping[str, Any], schemas: Mapping[int, Schema], stats: RunStats, where: str
) -> None:
    """Set the counts of a replay; older recordings lack them. Raises RecordingError."""
    try:
        lost = {schemas[number]: _known(count) for number, count in value.get("lost", ())}
        lost_at = {_named(*names): _count(count) for *names, count in value.get("lost_at", ())}
        missed = {_named(*names): _known(count) for *names, count in value.get("missed", ())}
        evicting = {schemas[number] for number in value.get("evicting", ())}
        overwritten = _count(value.get("overwritten", 0))
        sampled = _count(value.get("sampled", 1))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{where}: malformed counts: {error}") from None
    stats.lost |= lost
    stats.lost_at, stats.missed, stats.evicting = lost_at, missed, evicting
    stats.overwritten, stats.sampled = overwritten, sampled


def _named(image: object, name: object) -> tuple[str, str]:
    return str(image), safe(str(name))  # it may be printed as it is


def _known(count: object) -> int | None:
    return None if count is None else _count(count)


def _count(count: object) -> int:
    if not isinstance(count, int) or count < 0:
        raise ValueError("expected a number of at least 0")
    return count
