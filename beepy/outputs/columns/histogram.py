"""Draw a histogram as bcc's print_log2_hist does.

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
_MIN_BAR: Final = 4
_MIN_DIGITS: Final = 10
_MIN_COUNT_WIDTH: Final = 8
_NEGATIVE: Final = -1  # the slot of negative numbers


def log2_slot(value: float) -> int:
    """Return the slot of a value as bcc's log2l: 0 for 0 and 1, 1 for 2 and 3, 2 for 4 to 7."""
    if value < 0:
        return _NEGATIVE
    return max(int(min(value, 1 << 64)).bit_length() - 1, 0)


def bound_slot(bounds: Sequence[float], value: float) -> int:
    """Return the slot of a value among buckets with these upper bounds, included, and one above."""
    return bisect_left(bounds, value)


def min_height(counts: Mapping[int, int]) -> int:
    """Return the number of lines for the heading and all slots between the first and last used."""
    used = [slot for slot, count in counts.items() if count]
    return max(used) - min(used) + 2


def draw(
    counts: Mapping[int, int],
    unit: str,
    bounds: Sequence[float] = (),
    width: int | None = None,
    height: int | None = None,
) -> list[str]:
    """Return the lines: a heading, and one per slot up to the last that has a count.

    Without ``bounds`` the slots are powers of two. A histogram of more than ``height`` lines loses
    the empty slots at its beginning, and then those outside the range with the largest total, which
    a line counts.
    """
    used = [slot for slot, count in counts.items() if count]
    if not used:
        return []
    slots, hidden_line = _choose_slots(counts, used, height)
    ranges = [_range(slot, bounds) for slot in slots]
    digits = max(_MIN_DIGITS, *[len(end) for ends in ranges for end in ends])
    count_width = max(_MIN_COUNT_WIDTH, *[len(str(counts.get(slot, 0))) for slot in slots])
    bar = _BAR
    if width is not None:
        bar = max(min(_BAR, width - 2 * digits - count_width - 10), _MIN_BAR)
    largest = max(counts[slot] for slot in used)
    indent = digits // 2
    unit_width = 2 * digits + 4 - indent
    heading = f"{'':{indent}}{unit:<{unit_width}} : {'count':<{count_width}} distribution"
    lines = [heading, *hidden_line]
    for slot, (low, high) in zip(slots, ranges, strict=True):
        count = counts.get(slot, 0)
        stars = "*" * (count * bar // largest)
        ends = f"{low:>{digits}} -> {high:<{digits}}"
        lines.append(f"{ends} : {count:<{count_width}} |{stars:<{bar}}|")
    return lines if width is None else [truncate(line, width) for line in lines]


def _choose_slots(
    counts: Mapping[int, int], used: Sequence[int], height: int | None
) -> tuple[list[int], list[str]]:
    """Return the slots that fit, and the line that counts the others, if any are hidden."""
    slots = list(range(min(0, *used), max(used) + 1))
    if height is None:
        return slots, []
    room = max(height - 1, 1)  # beside the heading
    if len(slots) > room:
        slots = slots[min(used) - slots[0] :]
    if len(slots) <= room:
        return slots, []
    room = max(height - 2, 1)  # beside the heading and the line of the hidden slots
    windows = [slots[start : start + room] for start in range(len(slots) - room + 1)]
    best = max(windows, key=lambda window: sum(counts.get(slot, 0) for slot in window))
    others = sum(counts.values()) - sum(counts.get(slot, 0) for slot in best)
    return best, [f"... {others} in {len(slots) - room} other slots"]


def _range(slot: int, bounds: Sequence[float]) -> tuple[str, str]:
    """Return the two ends of a slot."""
    if bounds:
        low = f"{bounds[slot - 1]:g}" if slot else ""
        return low, f"{bounds[slot]:g}" if slot < len(bounds) else "+Inf"
    if slot == _NEGATIVE:
        return "", "-1"
    return str(1 << slot if slot else 0), str((2 << slot) - 1)
