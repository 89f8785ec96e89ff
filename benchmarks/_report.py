"""Run cases in interleaved rounds, and print their medians and whether they keep limits."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median


def medians(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the medians of the cases, each run once per round: a busy moment affects all."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(case())
    return {name: median(values) for name, values in taken.items()}


def machine() -> str:
    """Return the date and the machine, for the heading of a table."""
    release = platform.release()
    python = platform.python_version()
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs, kernel {release}, Python {python}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]))


def limit(title: str, value: float, maximum: float) -> None:
    """Print whether a limit holds."""
    verdict = "holds" if value <= maximum else "EXCEEDS"
    print(f"{verdict:8}{title}: {value:.2f}, limit {maximum:.2f}")
