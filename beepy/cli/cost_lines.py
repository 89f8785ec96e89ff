"""What a run has cost, for its last lines on stderr."""

from collections.abc import Iterator
from typing import Final

from beepy.cli.figures import share_text, time_text
from beepy.events.costs import Cost
from beepy.text import safe

_PAUSE_S: Final = 1.0  # seconds that were not counted; if there are more, the summary says so


def lines(cost: Cost) -> Iterator[str]:
    """Yield a line for each program, those first that cost most, and one for beepy itself."""
    images = {program.image for program in cost.programs}
    for program in sorted(cost.programs, key=lambda program: -program.ns):
        image = f"{safe(program.image)}: " if len(images) > 1 else ""
        share = cost.share_of(program.ns)
        if share is None:
            continue
        runs = "1 run" if program.runs == 1 else f"{program.runs} runs"
        each = f" of {time_text(program.ns / program.runs)}" if program.runs else ""
        yield f"cost: {image}program '{safe(program.program)}': {runs}{each}, {_share(share)}"
    if cost.unknown:
        yield f"cost: programs: unknown: {cost.unknown}"
    if cost.own_share is not None:
        yield f"cost: beepy itself: {_share(cost.own_share)}"


def summary(cost: Cost) -> str:
    """Return the part of the summary line about the cost."""
    share, own = cost.share, cost.own_share
    programs = "cost of programs unknown"
    if not cost.unknown and share is not None:
        programs = f"programs {_share(share)}"
        if cost.elapsed_s - cost.counted_s > _PAUSE_S:
            programs = f"{programs} (counted for {cost.counted_s:.1f} s)"
    return programs if own is None else f"{programs}, beepy {_share(own)}"


def _share(share: float) -> str:
    return f"{share_text(share)} of a CPU"
