"""Rows for event loops: read as they arrive, ended from any thread; the ending error is kept."""

import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.events.decoder import Decoder
from beepy.events.row import Rows
from beepy.feed import _MOST, Feed
from tests.support.events import Exits, ring

EXITS = Exits().schema
DECODER = Decoder(EXITS)
PATIENCE = 60.0


def rows(pid: int) -> Rows:
    return Rows(ring(EXITS, [Exits.record(pid=pid)]), DECODER)


class Source:
    """Gives rows when it is let; ``stop`` ends it."""

    def __init__(self, count: int = 1 << 30, error: Exception | None = None) -> None:
        self.given = 0
        self._count = count
        self._error = error
        self._left = threading.Semaphore(0)
        self._stopped = False

    def let(self, count: int) -> None:
        self._left.release(count)

    def stop(self) -> None:
        self._stopped = True
        self._left.release()

    def __iter__(self) -> Iterator[Rows]:
        while self.given < self._count:
            assert self._left.acquire(timeout=PATIENCE)
            if self._stopped:
                break
            self.given += 1
            yield rows(self.given)
        if self._error:
            raise self._error


def open_files() -> list[str]:
    return sorted([path.name for path in Path("/proc/self/fd").iterdir()])


def readable(feed: Feed, seconds: float = PATIENCE) -> bool:
    return bool(select.select([feed.fileno()], [], [], seconds)[0])


def taken(feed: Feed) -> list[int]:
    """Wait for rows, and return their pids."""
    assert readable(feed)
    return [row.pid for batch in feed.take() or () for row in batch]


def test_rows_are_taken_as_they_come() -> None:
    source = Source()
    feed = Feed(source, source.stop)
    assert feed.take() == []
    assert not readable(feed, 0)
    source.let(1)
    assert taken(feed) == [1]
    assert not readable(feed, 0)
    source.let(1)
    assert taken(feed) == [2]
    feed.close()
    assert feed.take() is None


def test_the_end_is_readable_and_stays_so() -> None:
    source = Source(2)
    feed = Feed(source, source.stop)
    source.let(2)
    seen: list[int] = []
    while readable(feed) and (batches := feed.take()) is not None:
        seen += [row.pid for batch in batches for row in batch]
    assert seen == [1, 2]
    for _ in range(3):
        assert readable(feed, 0)
        assert feed.take() is None
    feed.close()


def test_an_error_is_raised_once_after_all_rows() -> None:
    source = Source(1, KernelError("not detached"))
    feed = Feed(source, source.stop)
    source.let(1)
    feed._thread.join(PATIENCE)
    assert taken(feed) == [1]
    assert readable(feed, 0)
    with pytest.raises(KernelError, match="not detached"):
        feed.take()
    assert feed.take() is None
    feed.close()


def test_an_error_that_nobody_took_is_raised_by_close() -> None:
    source = Source(0, KernelError("not detached"))
    feed = Feed(source, source.stop)
    with pytest.raises(KernelError, match="not detached"):
        feed.close()
    assert feed.fileno() == -1
    feed.close()


def test_a_reader_that_is_slow_holds_the_thread() -> None:
    source = Source()
    feed = Feed(source, source.stop)
    source.let(3 * _MOST)
    seen: list[int] = []
    while len(seen) < 3 * _MOST:
        seen += taken(feed)
        assert len(feed._queue) <= _MOST
    assert seen == list(range(1, 3 * _MOST + 1))
    feed.close()


def test_closing_drops_what_is_not_taken() -> None:
    """The thread may be waiting for room."""
    source = Source()
    feed = Feed(source, source.stop)
    source.let(_MOST + 5)
    assert readable(feed)
    feed.close()
    assert feed.take() is None
    assert not feed._thread.is_alive()


def test_closing_while_others_take() -> None:
    for _ in range(50):
        source = Source()
        feed = Feed(source, source.stop)
        errors: list[BaseException] = []

        def take(feed: Feed = feed, errors: list[BaseException] = errors) -> None:
            try:
                while feed.take() is not None:
                    pass
            except Exception as error:  # noqa: BLE001 - told by the test
                errors.append(error)

        threads = [threading.Thread(target=take) for _ in range(2)]
        threads += [threading.Thread(target=feed.close) for _ in range(2)]
        source.let(1000)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert errors == []
        assert feed.fileno() == -1


def test_where_no_thread_can_be_started_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    before = open_files()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Feed([], lambda: None)
    assert open_files() == before
