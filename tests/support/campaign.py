"""Cases by the thousand, each made from a seed and its number, and done in limits (``measured``).

``BEEPY_SEED`` is what they are made from. What fails is saved in build/fuzz/, and told with the
command that repeats it: ``BEEPY_CASE`` is the number of the only case to be done then, in this
process and with no limits.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.support import measured

SEED: Final = os.environ.get("BEEPY_SEED", "1")
_ALONE: Final = os.environ.get("BEEPY_CASE", "")
_SAVED: Final = Path(__file__).parents[2] / "build" / "fuzz"
_SHOWN: Final = 20  # failures in the error


class Case(NamedTuple):
    """``do`` does it and returns its distinct outcomes; ``data`` is what is saved of it."""

    kind: str
    data: bytes
    do: Callable[[], list[str]]


Make = Callable[[Random], Case]


def run(name: str, count: int, make: Make) -> Counter[tuple[str, str]]:
    """Run ``count`` cases; return how many had each first (outcome, kind). Raise if one failed."""
    if _ALONE:
        case = _made(name, make, int(_ALONE))
        print(case.kind, _saved(name, int(_ALONE), case.data), case.do())
        return Counter()
    print(f"{name}: {count} cases, BEEPY_SEED={SEED}")
    table: Counter[tuple[str, str]] = Counter()
    wrong = []
    spent = 0.0
    slowest = largest = measured.Outcome(0, [], broken=False, seconds=0, memory=0)
    for outcome in measured.run(range(count), partial(_job, name, make)):
        spent += outcome.seconds
        slowest = max(slowest, outcome, key=lambda one: one.seconds)
        largest = max(largest, outcome, key=lambda one: one.memory)
        if outcome.wrong:
            path = _saved(name, outcome.job, _made(name, make, outcome.job).data)
            command = f"BEEPY_SEED={SEED} BEEPY_CASE={outcome.job} make fuzz ARGS='-s -k {name}'"
            wrong.append(f"{command}\n    {path}: {outcome}")
        else:
            kind, first, *_ = outcome.told
            table[first, kind] += 1
    _show(table)
    print(f"{spent:.0f} s of CPU")
    for what, one in (("slowest", slowest), ("largest", largest)):
        print(
            f"{what}: case {one.job}: {one.seconds:.3f} s, "
            f"{one.memory / (1 << 20):.1f} MiB above the parent"
        )
    more = [f"... and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    assert not wrong, "\n".join([f"{len(wrong)} of {count} cases failed:", *wrong[:_SHOWN], *more])
    return table


def _made(name: str, make: Make, number: int) -> Case:
    return make(Random(f"{name}:{SEED}:{number}"))


def _job(name: str, make: Make, number: int) -> Callable[[], list[str]]:
    case = _made(name, make, number)
    return lambda: [case.kind, *case.do()]


def _saved(name: str, number: int, data: bytes) -> Path:
    _SAVED.mkdir(parents=True, exist_ok=True)
    path = _SAVED / f"{name}-{SEED}-{number}"
    path.write_bytes(data)
    return path


def _show(table: Counter[tuple[str, str]]) -> None:
    kinds: Sequence[str] = sorted({kind for _, kind in table})
    rows: Counter[str] = Counter()
    for (outcome, _), count in table.items():
        rows[outcome] += count
    print(f"{'':62}{''.join(f'{kind:>10}' for kind in kinds)}{'all':>10}")
    for row, count in rows.most_common():
        cells = "".join([f"{table[row, kind] or '':>10}" for kind in kinds])
        print(f"{row:62}{cells}{count:>10}")
