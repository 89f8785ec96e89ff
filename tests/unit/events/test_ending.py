"""--until: the first row for which an expression is true ends a run."""

import struct

import pytest

from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.ending import Ending
from beepy.session import UNTIL, Run
from tests.support.events import Exits, ring, snapshot, table
from tests.support.given import Given

EXITS = Exits().schema


def rows(*pids: int) -> list[bytes]:
    return [Exits.record(pid=pid) for pid in pids]


def test_the_run_ends_with_that_row() -> None:
    other = EXITS._replace(map="other")
    batches = [ring(EXITS, rows(1, 2)), ring(other, rows(7, 8)), ring(EXITS, rows(3, 7, 4, 7))]
    source = Given([*batches, ring(EXITS, rows(5))])
    with Run(source) as run:
        run.add_stage(UNTIL, Ending("print_exits: pid == 7", run.decoders, run.stop).apply)
        assert [event.pid for event in run.events()] == [1, 2, 7, 8, 3, 7]
        assert (run.stats.shown, run.stats.cut_by_until) == (6, 2)


def test_rows_that_were_read_already_are_counted() -> None:
    """After its end a stream is drained."""
    ending = Ending("pid > 2", Run(Given([], EXITS)).decoders, lambda: None)
    assert [ending.apply(ring(EXITS, rows(*pids))).records for pids in ((1, 3, 4), (5,))] == [2, 0]


def test_snapshots_pass_whole() -> None:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    schema = table(w, u32, u32, 4, 4)
    batch = snapshot(schema, [(struct.pack("<I", at), struct.pack("<I", at)) for at in range(5)])
    stopped: list[bool] = []
    ending = Ending("value == 3", Run(Given([batch])).decoders, lambda: stopped.append(True))
    assert ending.apply(batch) is batch
    assert ending.apply(batch._replace(snapshot=2)).records == 5
    assert stopped == [True]


def test_null_is_not_true() -> None:
    short = ring(EXITS, [Exits.record(pid=7)[:16]])
    ending = Ending("pid != 1", Run(Given([short])).decoders, lambda: None)
    assert ending.apply(short).records == 1
    assert ending.apply(ring(EXITS, rows(1, 2, 3))).records == 2


def test_an_expression_about_no_map_is_refused() -> None:
    with pytest.raises(UsageError, match="no field 'pidd'"):
        Ending("pidd == 1", Run(Given([], EXITS)).decoders, lambda: None)
