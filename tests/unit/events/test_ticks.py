import threading

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


def test_nobody_is_asked_without_a_period() -> None:
    source = Given([])
    with ticks(source, 0):
        assert "beepy-ticks" not in {thread.name for thread in threading.enumerate()}
    assert source.calls == []
