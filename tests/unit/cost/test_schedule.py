"""When runs are counted, and how soon a bound holds, whatever the programs do."""

import pytest

from beepy.cost.schedule import FIRST_S, SUSTAINED_S, Schedule

STEP = 0.05
BOUND = 0.02


def counted(bound: float | None, seconds: float, share: float = 0.0) -> list[bool]:
    """Return for each step of that time whether runs are counted."""
    schedule = Schedule(bound)
    steps: list[bool] = []
    while len(steps) * STEP < seconds:
        window_s = schedule.window_s
        steps += [True] * round(window_s / STEP)
        pause_s = schedule.after(window_s, share)
        assert pause_s is not None
        steps += [False] * round(pause_s / STEP)
    return steps[: round(seconds / STEP)]


def noticed(begins_s: float, share: float = 0.5, lasts_s: float = 60.0) -> float | None:
    """Return how long a burden that begins then goes on before the bound is exceeded.

    None if it is over before.
    """
    schedule, now = Schedule(BOUND), 0.0
    while now < begins_s + lasts_s + 5:
        end = now + schedule.window_s
        over = min(end, begins_s + lasts_s) - max(now, begins_s)
        pause_s = schedule.after(schedule.window_s, max(over, 0) / schedule.window_s * share)
        if pause_s is None:
            return end - begins_s
        now = end + pause_s
    return None


def test_a_short_run_is_counted_as_a_whole() -> None:
    assert all(counted(None, FIRST_S))
    assert all(counted(BOUND, FIRST_S))


@pytest.mark.parametrize(("bound", "part"), [(None, 0.1), (BOUND, 1 / 3)])
def test_a_long_run_is_sampled(bound: float | None, part: float) -> None:
    later = counted(bound, 310)[round(10 / STEP) :]
    assert sum(later) / len(later) == pytest.approx(part, rel=0.01)


@pytest.mark.parametrize("begins_s", [number * STEP for number in range(0, 400, 3)])
def test_a_burden_is_noticed_within_three_seconds(begins_s: float) -> None:
    after_s = noticed(begins_s)
    assert after_s is not None
    assert after_s + 0.5 >= SUSTAINED_S
    assert after_s <= 3


@pytest.mark.parametrize("begins_s", [number * STEP for number in range(0, 400, 3)])
def test_a_short_burst_is_allowed(begins_s: float) -> None:
    assert noticed(begins_s, lasts_s=0.5 - STEP) is None


def test_what_is_below_the_bound_is_allowed() -> None:
    assert noticed(0, share=BOUND) is None


def test_there_is_no_pause_while_it_is_over() -> None:
    schedule = Schedule(BOUND)
    schedule.after(100, 0)
    assert schedule.after(0.5, 1) == 0
    assert schedule.after(0.5, 0) == 1
    assert [schedule.after(0.5, 1) for _ in range(3)] == [0, 0, None]
