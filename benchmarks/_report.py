"""Rounds in which every case has its turn, their medians, and which limits hold."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median


def medians(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Run every case once a round, so that a busy moment of the machine meets all of them; return the medians."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(case())
    return {name: median(values) for name, values in taken.items()}


def machine() -> str:
    """Return where and when this was measured."""
    release = platform.release()
    python = platform.python_version()
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs, kernel {release}, Python {python}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]))


def limit(what: str, got: float, most: float) -> None:
    """Print whether a limit holds."""
    print(f"{'holds' if got <= most else 'EXCEEDS':8}{what}: {got:.2f}, limit {most:.2f}")
