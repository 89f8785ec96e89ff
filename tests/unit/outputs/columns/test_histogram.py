import math

import pytest

from beepy.outputs.columns.histogram import bound_slot, draw, log2_slot, min_height


@pytest.mark.parametrize(
    ("value", "slot"),
    [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 1),
        (4, 2),
        (7, 2),
        (8, 3),
        (2**63, 63),
        (2**64 - 1, 63),
        (-1, -1),
        (0.5, 0),
        (3.9, 1),
    ],
)
def test_slots_are_those_of_bcc(value: float, slot: int) -> None:
    assert log2_slot(value) == slot


def test_infinity_has_a_slot() -> None:
    assert log2_slot(math.inf) == 64


def test_bounds_are_included() -> None:
    assert [bound_slot((1.0, 10.0), value) for value in (0, 1, 1.5, 10, 11)] == [0, 0, 1, 1, 2]


def test_a_histogram_looks_like_that_of_bcc() -> None:
    assert draw({0: 1, 2: 40, 3: 10, 9: 0}, "usecs") == [
        "     usecs               : count    distribution",
        "         0 -> 1          : 1        |*                                       |",
        "         2 -> 3          : 0        |                                        |",
        "         4 -> 7          : 40       |****************************************|",
        "         8 -> 15         : 10       |**********                              |",
    ]
    assert draw({}, "usecs") == draw({3: 0}, "usecs") == []


def test_bounds_of_the_user() -> None:
    assert draw({0: 2, 2: 4}, "ms", (1.5, 10), width=60) == [
        "     ms                  : count    distribution",
        "           -> 1.5        : 2        |***********           |",
        "       1.5 -> 10         : 0        |                      |",
        "        10 -> +Inf       : 4        |**********************|",
    ]


def test_negative_numbers_are_shown_as_such() -> None:
    assert draw({-1: 2, 0: 2}, "delta", width=48)[1:] == [
        "           -> -1         : 2        |**********|",
        "         0 -> 1          : 2        |**********|",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_limit(width: int) -> None:
    for counts in ({0: 1, 63: 2}, {3: 10**12}):
        assert max(map(len, draw(counts, "nsecs", width=width))) <= width


@pytest.mark.parametrize("height", range(3, 30))
def test_hidden_slots_are_counted(height: int) -> None:
    counts = dict.fromkeys(range(5, 25), 1)
    lines = draw(counts, "usecs", height=height)
    assert len(lines) <= max(height, 3)
    cut = "other slots" in lines[1]
    assert cut == (height < min_height(counts))
    shown = sum(int(line.split()[4]) for line in lines[2 if cut else 1 :])
    assert shown + (int(lines[1].split()[1]) if cut else 0) == 20


def test_the_slots_with_the_largest_total_are_shown() -> None:
    counts = {3: 1, 10: 500, 11: 900, 12: 300, 30: 2}
    lines = draw(counts, "usecs", height=6)
    assert lines[1] == "... 3 in 24 other slots"
    assert [line.split()[4] for line in lines[2:] if line.split()[4] != "0"] == [
        "500",
        "900",
        "300",
    ]
