import signal
import threading

import pytest

from beepy.events.batch import Schema
from beepy.events.ticks import ticks
from tests.support.given import Given


def test_a_source_is_asked_again_and_again_until_the_end() -> None:
    asked = threading.Semaphore(0)

    class Asked(Given):
        def demand(self, schemas: tuple[Schema, ...]) -> None:
            super().demand(schemas)
            asked.release()

    source = Asked([])
    with ticks(source, 0.001):
        for _ in range(3):
            assert asked.acquire(timeout=60)
    count = len(source.calls)
    assert count >= 3
    assert set(source.calls) == {"demand "}
    assert "beepy-ticks" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("every_s", [0.001, 1e12])
def test_signals_are_the_main_threads(every_s: float) -> None:
    """And no time is too long for a thread to wait."""
    failed: list[object] = []
    before, threading.excepthook = threading.excepthook, failed.append
    masks: list[set[int]] = []
    asked = threading.Event()

    class Asked(Given):
        def demand(self, schemas: tuple[Schema, ...]) -> None:
            super().demand(schemas)
            masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
            asked.set()

    try:
        with ticks(Asked([]), every_s):
            assert asked.wait(timeout=60) if every_s < 1 else not asked.wait(timeout=0.01)
    finally:
        threading.excepthook = before
    assert not failed
    assert all({signal.SIGINT, signal.SIGTERM, signal.SIGUSR1} <= mask for mask in masks)


def test_nobody_is_asked_without_a_period() -> None:
    source = Given([])
    with ticks(source, 0):
        assert "beepy-ticks" not in {thread.name for thread in threading.enumerate()}
    assert source.calls == []
