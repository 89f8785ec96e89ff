"""Draws a histogram as bcc's print_log2_hist does.

::

     usecs               : count    distribution
         0 -> 1          : 12       |********                                |
         2 -> 3          : 57       |****************************************|
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from beepy.width import truncate

_BAR: Final = 40
_LEAST_BAR: Final = 4
_BELOW: Final = -1  # the slot of negative numbers


def log2_slot(value: float) -> int:
    """Return the slot of a value as bcc's log2l does: 0 and 1 are in slot 0, 2 and 3 in slot 1, 4 to 7 in slot 2."""
    return _BELOW if value < 0 else max(int(min(value, 1 << 64)).bit_length() - 1, 0)


def bound_slot(bounds: Sequence[float], value: float) -> int:
    """Return the slot of a value among buckets whose upper bounds are these, included; one more has the rest."""
    return bisect_left(bounds, value)


def least_height(counts: Mapping[int, int]) -> int:
    """Return how many lines hold a head and all slots between those that have a count."""
    used = [slot for slot, count in counts.items() if count]
    return max(used) - min(used) + 2


def draw(
    counts: Mapping[int, int],
    unit: str,
    bounds: Sequence[float] = (),
    width: int | None = None,
    height: int | None = None,
) -> list[str]:
    """Return the lines: a head, and one a slot up to the last that has a count.

    Without ``bounds`` the slots are powers of two. A histogram that is higher than ``height`` loses empty slots at its
    beginning, and then those before and behind the ones that hold most, which is said.
    """
    used = [slot for slot, count in counts.items() if count]
    if not used:
        return []
    slots = list(range(min(0, *used), max(used) + 1))
    before = ""
    if height is not None and len(slots) > max(height - 1, 1):
        slots = slots[min(used) - slots[0] :]
    if height is not None and len(slots) > max(height - 1, 1):
        room = max(height - 2, 1)
        windows = [slots[start : start + room] for start in range(len(slots) - room + 1)]
        hidden = len(slots) - room
        slots = max(windows, key=lambda window: sum(counts.get(slot, 0) for slot in window))
        others = sum(counts.values()) - sum(counts.get(slot, 0) for slot in slots)
        before = f"... {others} in {hidden} other slots"
    ranges = [_range(slot, bounds) for slot in slots]
    digits = max(10, *[len(end) for pair in ranges for end in pair])
    number = max(8, *[len(str(counts.get(slot, 0))) for slot in slots])
    bar = _BAR if width is None else max(min(_BAR, width - 2 * digits - number - 10), _LEAST_BAR)
    most = max(counts[slot] for slot in used)
    head = f"{'':{digits // 2}}{unit:<{2 * digits + 4 - digits // 2}} : {'count':<{number}} distribution"
    lines = [head, *([before] if before else [])]
    for slot, (low, high) in zip(slots, ranges, strict=True):
        count = counts.get(slot, 0)
        stars = "*" * (count * bar // most)
        lines.append(f"{low:>{digits}} -> {high:<{digits}} : {count:<{number}} |{stars:<{bar}}|")
    return lines if width is None else [truncate(line, width) for line in lines]


def _range(slot: int, bounds: Sequence[float]) -> tuple[str, str]:
    if bounds:
        low = f"{bounds[slot - 1]:g}" if slot else ""
        return low, f"{bounds[slot]:g}" if slot < len(bounds) else "+Inf"
    if slot == _BELOW:
        return "", "-1"
    return str(1 << slot if slot else 0), str((2 << slot) - 1)
