import logging
import math
import os
import struct
from collections.abc import Iterator

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.cli import session
from beepy.cli.session import closing
from beepy.events.batch import Batch, Demand, Schema, Tally
from beepy.streams import Stream
from tests.support.events import Exits, decode, snapshot
from tests.support.events import ring as ring_of
from tests.support.events import table as table_of

BTF = Btf(BtfWriter().data())


def ring(name: str) -> Schema:
    return Schema("image", name, None, BTF, record=TypeId(1))


def table(name: str) -> Schema:
    return Schema("image", name, None, BTF, record=VOID, key=TypeId(1), value=TypeId(1))


def tally(lost: dict[str, int | None], **counts: int) -> Tally:
    made = Tally()
    for name, count in {"shown": 3, **counts}.items():
        setattr(made, name, count)
    made.lost = {ring(name): count for name, count in lost.items()}
    return made


@pytest.mark.parametrize(
    ("counted", "line"),
    [
        (tally({}), "3 shown, 0 filtered, 0 lost"),
        (Tally([table("t")]), "0 shown, 0 filtered, 0 lost"),
        (Tally([ring("r")]), "0 shown, 0 filtered, lost unknown (r)"),  # nothing came: nothing is known
        (Tally([ring("p")._replace(counts_loss=True)]), "0 shown, 0 filtered, 0 lost"),
        (tally({"r": None}), "3 shown, 0 filtered, lost unknown (r)"),
        (tally({"r": 0}), "3 shown, 0 filtered, 0 lost"),
        (tally({"r": 5}), "3 shown, 0 filtered, 5 lost (r)"),
        (tally({"a": 5, "b": 2, "c": 0}), "3 shown, 0 filtered, 7 lost (a, b)"),
        (tally({"a": 5, "b": None}), "3 shown, 0 filtered, 5 lost (a), lost unknown (b)"),
        (
            tally({"r": 0}, filtered=1, own=5, left_out=2),
            "3 shown, 1 filtered, 5 of beepy's own left out, 2 not shown (--count), 0 lost",
        ),
        (tally({}, zeros=9), "3 shown, 0 filtered, 9 zero rows hidden (--zero), 0 lost"),
        (tally({}, zeros=1), "3 shown, 0 filtered, 1 zero row hidden (--zero), 0 lost"),
        (tally({"\x1b[2J": 1}), r"3 shown, 0 filtered, 1 lost (\x1b[2J)"),
    ],
)
def test_the_closing_line(counted: Tally, line: str) -> None:
    assert closing(counted, 12.34) == f"beepy: {line}, 12.3 s"


def test_a_loss_that_was_once_unknown_stays_unknown() -> None:
    counted = Tally([ring("r")])
    for lost in (3, None, 4):
        counted.add_lost(ring("r"), lost)
    assert closing(counted, 0) == "beepy: 0 shown, 0 filtered, lost unknown (r), 0.0 s"


def test_a_map_that_cannot_tell_hides_no_loss_of_its_namesake() -> None:
    perf, other = ring("events")._replace(counts_loss=True), ring("events")._replace(image="other")
    counted = Tally([perf, other])
    counted.add_lost(perf, 5)
    counted.add_lost(perf, 7)
    counted.add_lost(other, None)
    assert closing(counted, 0) == "beepy: 0 shown, 0 filtered, 12 lost (events), lost unknown (events), 0.0 s"


def test_whose_rows_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    exits = Exits().schema
    with caplog.at_level(logging.INFO, "beepy"):
        session._own((exits, table("t"), exits._replace(record=VOID, map="u")))
        session._own((exits,))
    assert caplog.messages == ["beepy's own work may be in t, u: no record names a process"]


def test_a_pid_that_cannot_be_known(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "own_pid", lambda: None)
    exits = Exits().schema
    batch = ring_of(exits, [Exits.record(pid=os.getpid())])
    with caplog.at_level(logging.INFO, "beepy"):
        assert session._own((exits,))(batch) is batch
    assert caplog.messages == ["beepy's own rows are shown: its pid in the first PID namespace is not known"]


def test_own_and_filtered_rows_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "own_pid", lambda: 7)
    exits, counted = Exits().schema, Tally()
    choose = session._chooser(("print_exits,comm,^a$",), (exits,), counted)
    rows = [(b"a", 7), (b"a", 8), (b"b", 7), (b"b", 8), (b"c", 9)]
    kept = choose(ring_of(exits, [Exits.record(comm, pid) for comm, pid in rows]))
    assert decode(exits, kept)["pid"] == [8]
    assert (counted.own, counted.filtered) == (2, 2)


class Entries:
    """Reads a table of ten entries, nine of which are 0."""

    window = 0.0
    patience = math.inf

    def __init__(self) -> None:
        w = BtfWriter()
        self.schema = table_of(w, w.integer("u32", 4, 0), w.integer("u64", 8, 0), 4, 8)

    def fileno(self) -> int:
        return -1

    def read(self) -> Iterator[Batch]:
        yield snapshot(self.schema, [(struct.pack("<I", n), struct.pack("<Q", n == 7)) for n in range(10)])

    def end(self) -> Iterator[Batch]:
        return iter(())

    def close(self) -> None:
        pass


class Kept:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def open(self, schemas: tuple[Schema, ...], demand: Demand) -> None:
        pass

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("zeros", "hidden", "shown"), [(False, 9, [1, 1, 1]), (True, 0, [3])])
def test_rows_of_zeros_are_hidden_before_they_count(*, zeros: bool, hidden: int, shown: list[int]) -> None:
    rows, metrics, counted = Kept(), Kept(), Tally()
    with Stream([Entries()], interval=0.001) as events:
        session._pump(events, lambda batch: batch, session._Sinks([rows], [metrics], zeros=zeros), counted, 3)
    assert counted.shown == 3
    assert [batch.records for batch in rows.batches] == shown
    assert counted.zeros >= hidden * len(shown)
    assert (counted.zeros > 0) is not zeros
    assert metrics.batches[0].records == (3 if zeros else 10)
