"""A run: what its stages leave out, what its sinks get, how it ends."""

import asyncio
import select
import struct
import threading
from collections.abc import Sequence

import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import DecodeError, UsageError
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.session import Run
from tests.support.events import Exits, ring, snapshot, table
from tests.support.given import Given

EXITS = Exits().schema


def exits(*pids: int) -> Batch:
    return ring(EXITS, [Exits.record(pid=pid) for pid in pids])


def entries(values: Sequence[int]) -> Batch:
    w = BtfWriter()
    schema = table(w, w.integer("u32", 4, 0), w.integer("u64", 8, 0), 4, 8)
    return snapshot(
        schema,
        [(struct.pack("<I", key), struct.pack("<Q", value)) for key, value in enumerate(values)],
    )


class Kept:
    """A sink that keeps what it gets; from the ``broken``-th batch on its reader is gone."""

    def __init__(self, broken: int = 1000) -> None:
        self.decoders: Sequence[Decoder] = ()
        self.batches: list[Batch] = []
        self.closed = 0
        self._broken = broken

    def open(self, decoders: Sequence[Decoder]) -> None:
        self.decoders = decoders
        if not self._broken:
            raise BrokenPipeError

    def write(self, batch: Batch) -> None:
        if len(self.batches) + 1 >= self._broken:
            raise BrokenPipeError
        self.batches.append(batch)

    def close(self) -> None:
        self.closed += 1


def records(batches: Sequence[Batch]) -> list[int]:
    return [batch.records for batch in batches]


def test_rows_with_attributes() -> None:
    with Run(Given([exits(1, 2), exits(3)])) as run:
        assert [(event.pid, event["comm"]) for event in run.events()] == [
            (1, "bash"),
            (2, "bash"),
            (3, "bash"),
        ]
        assert run.stats.shown == 3


def test_stages_run_in_order_and_count_what_they_remove() -> None:
    def odd(batch: Batch) -> Batch:
        return batch._replace(records=batch.records - 1)

    with Run(Given([exits(1, 2, 3), exits(4, 5, 6)])) as run:
        run.add_stage("own", odd)
        run.add_stage("filtered", odd)
        assert records([*run.batches()]) == [1, 1]
        assert (run.stats.own, run.stats.filtered, run.stats.shown) == (2, 2, 2)


def test_all_sinks_share_the_decoders_of_the_run() -> None:
    with Run(Given([exits(1)])) as run:
        sinks = [Kept(), Kept()]
        run.add_sink(sinks[0])
        run.add_observer(sinks[1])
        assert all(sink.decoders is run.decoders for sink in sinks)
        assert [decoder.schema for decoder in run.decoders] == [EXITS]
        list(run.batches())
    assert [records(sink.batches) for sink in sinks] == [[1], [1]]
    assert [sink.closed for sink in sinks] == [1, 1]


@pytest.mark.parametrize(
    ("limit", "shown", "cut"), [(1, [1], 1), (2, [2], 0), (3, [2, 1], 1), (9, [2, 2], 0)]
)
def test_a_run_ends_at_the_limit(limit: int, shown: list[int], cut: int) -> None:
    sink, observer = Kept(), Kept()
    with Run(Given([exits(1, 2), exits(3, 4)]), limit=limit) as run:
        run.add_sink(sink)
        run.add_observer(observer)
        list(run.batches())
        assert records(sink.batches) == records(observer.batches) == shown
        assert (run.stats.shown, run.stats.cut_by_count) == (sum(shown), cut)


@pytest.mark.parametrize(("hides", "shown"), [(True, 1), (False, 3)])
def test_rows_of_zeros_are_hidden_from_sinks_alone(*, hides: bool, shown: int) -> None:
    sink, observer = Kept(), Kept()
    with Run(Given([entries([0, 7, 0])]), hides_zeros=hides) as run:
        run.add_sink(sink)
        run.add_observer(observer)
        list(run.batches())
        assert records(sink.batches) == [shown]
        assert records(observer.batches) == [3]
        assert (run.stats.shown, run.stats.zeros) == (shown, 3 - shown)


def test_a_snapshot_after_the_limit_is_not_written() -> None:
    sink = Kept()
    with Run(Given([exits(1), entries([1, 2])]), limit=1) as run:
        run.source.stop = lambda: None  # type: ignore[method-assign]  # a snapshot that was under way
        run.add_sink(sink)
        assert records([*run.batches()]) == [1]
        assert run.stats.cut_by_count == 2


@pytest.mark.parametrize(("broken", "written"), [(0, 0), (1, 0), (2, 1)])
def test_a_reader_that_goes_away_ends_the_run(broken: int, written: int) -> None:
    broken_sink, other = Kept(broken), Kept()
    with Run(Given([exits(1), exits(2), exits(3)])) as run:
        run.add_sink(broken_sink)
        run.add_sink(other)
        list(run.batches())
        assert run.reader_gone
    assert len(broken_sink.batches) == written
    assert (broken_sink.closed, other.closed) == (1, 1)
    assert len(other.batches) == max(broken, 0) if broken else not other.batches


def test_attach_opens_the_source_once() -> None:
    source = Given([exits(1)])
    with Run(source) as run:
        run.attach()
        run.attach()
    assert source.calls == ["open", "close"]


def test_closing_while_iterating_ends_the_iteration() -> None:
    run = Run(Given([exits(1), exits(2)]))
    seen = []
    for rows in run:
        seen += [row.pid for row in rows]
        run.close()
    run.close()
    assert seen == [1]


def test_a_stage_must_not_close_the_run() -> None:
    def close(batch: Batch) -> Batch:
        run.close()
        return batch

    with Run(Given([exits(1)])) as run:
        run.add_stage("own", close)
        with pytest.raises(RuntimeError, match="close: called within the iteration: call stop"):
            list(run.batches())


def test_closing_from_another_thread_waits_for_the_iteration() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def wait(batch: Batch) -> Batch:
        begun.set()
        goes_on.wait(60)
        return batch

    source = Given([exits(1), exits(2)])
    run = Run(source)
    run.add_stage("own", wait)
    seen: list[Batch] = []
    reading = threading.Thread(target=lambda: seen.extend(run.batches()))
    reading.start()
    assert begun.wait(60)
    closing = threading.Thread(target=run.close)
    closing.start()
    goes_on.set()
    closing.join(60)
    reading.join(60)
    assert records(seen) in ([], [1])  # closed before the batch was given, or after
    assert source.calls == ["open", "close"]


def test_whoever_waits_to_close_need_not_be_asked_for_another_batch() -> None:
    """The thread that iterates leaves its loop while another one closes the run."""
    begun, goes_on = threading.Event(), threading.Event()

    def wait(batch: Batch) -> Batch:
        begun.set()
        goes_on.wait(60)
        return batch

    source = Given([exits(1), exits(2)])
    run = Run(source)
    run.add_stage("own", wait)
    reading = threading.Thread(target=lambda: next(run.batches(), None))
    reading.start()
    assert begun.wait(60)
    closing = threading.Thread(target=run.close)
    closing.start()
    goes_on.set()
    closing.join(60)
    assert not closing.is_alive()
    reading.join(60)
    assert source.calls == ["open", "close"]


def test_many_threads_may_close() -> None:
    source = Given([exits(1)])
    run = Run(source)
    threads = [threading.Thread(target=run.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert source.calls == ["close"]


def test_iterating_attaches() -> None:
    source = Given([exits(1)])
    with Run(source) as run:
        assert len([*run.events()]) == 1
    assert source.calls == ["open", "close"]


def test_a_run_that_is_closed() -> None:
    source = Given([exits(1)])
    run = Run(source)
    run.close()
    for use in (run.attach, run.fileno, run.take):
        with pytest.raises(UsageError, match=r"^run: it is closed$"):
            use()
    assert [*run] == []
    assert source.calls == ["close"]


def test_rows_are_taken_until_the_run_is_closed() -> None:
    with Run(Given([exits(1), exits(2)])) as run:
        seen: list[int] = []
        while select.select([run], [], [], 60)[0] and (taken := run.take()) is not None:
            seen += [row.pid for rows in taken for row in rows]
        assert seen == [1, 2]
        assert run.take() is None
    assert run.take() is None


async def _pids(run: Run) -> list[int]:
    return [row.pid async for rows in run for row in rows]


def test_asyncio_reads_several_runs_at_once() -> None:
    async def both() -> list[list[int]]:
        with Run(Given([exits(1), exits(2)])) as one, Run(Given([exits(3)])) as other:
            return [*await asyncio.gather(_pids(one), _pids(other))]

    assert asyncio.run(both()) == [[1, 2], [3]]


def test_leaving_the_loop_stops_the_run() -> None:
    source = Given([exits(number) for number in range(1000)])

    async def one() -> int:
        with Run(source) as run:
            async for rows in run:
                return len(rows)
        raise AssertionError

    assert asyncio.run(one()) == 1
    assert source.calls == ["open", "close"]


def test_an_error_of_the_body_ends_the_run() -> None:
    source = Given([exits(1), exits(2)])

    async def fail() -> None:
        with Run(source) as run:
            async for _ in run:
                raise ValueError("the body's")

    with pytest.raises(ValueError, match="the body's"):
        asyncio.run(fail())
    assert source.calls == ["open", "close"]


def test_an_error_of_the_run_is_raised_in_the_loop() -> None:
    def fail(_: Batch) -> Batch:
        raise DecodeError("a stage's")

    async def read() -> None:
        with Run(Given([exits(1)])) as run:
            run.add_stage("own", fail)
            async for _ in run:
                pass

    with pytest.raises(DecodeError, match="a stage's"):
        asyncio.run(read())


def test_the_loop_rests_while_rows_wait() -> None:
    """A descriptor that stays readable would keep the loop busy."""

    async def turns() -> int:
        loop, count = asyncio.get_running_loop(), 0
        select_once = loop._selector.select  # type: ignore[attr-defined]

        def select_counted(timeout: float | None) -> object:
            nonlocal count
            count += 1
            return select_once(timeout)

        with Run(Given([exits(number) for number in range(200)])) as run:
            async for _ in run:
                loop._selector.select = select_counted  # type: ignore[attr-defined]
                await asyncio.sleep(0.2)
                break
        return count

    assert asyncio.run(turns()) < 20


def test_tables_are_mappings_that_are_read_anew() -> None:
    given = entries([5, 0, 7])
    source = Given([given])
    with Run(source) as run:
        (counted,) = run.maps.values()
        assert dict(counted) == {0: 5, 1: 0, 2: 7}
        assert (counted[2], len(counted), 3 in counted) == (7, 3, False)
        source._batches = ()
        assert dict(counted) == {}
        assert run.maps.keys() == {given.schema.map}
    with pytest.raises(UsageError, match=r"^run: it is closed$"):
        dict(counted)


def test_lost_records_are_counted_by_their_map() -> None:
    perf = EXITS._replace(counts_loss=True)
    batch = exits(1)._replace(schema=perf, lost=3)
    with Run(Given([batch, batch._replace(lost=4)])) as run:
        list(run.batches())
        assert run.stats.lost == {perf: 7}
        assert run.stats.total_lost == 7
        assert repr(run) == "Run('print_exits')"
        assert repr(run.stats).startswith("RunStats(shown=2, ")


def test_losses_are_summed_though_a_map_is_added_meanwhile() -> None:
    """The screen asks for them in another thread than that of the run."""
    stats = RunStats()

    class Added(int):
        def __radd__(self, before: int) -> int:
            stats.lost_at["image", f"place {len(stats.lost_at)}"] = 0
            stats.missed["image", f"program {len(stats.missed)}"] = 0
            return before + int(self)

    stats.missed = {("image", name): Added(2) for name in ("one", "two")}
    assert stats.total_missed == 4
