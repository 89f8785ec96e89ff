import logging
import os

import pytest

from beepy import chosen
from beepy.btf.writer import BtfWriter
from beepy.chosen import Chosen, not_own, passing
from beepy.events.decoder import Decoder
from beepy.session import FILTERED, OWN, Run
from tests.support.events import Exits, decode, ring, table
from tests.support.given import Given

EXITS = Exits().schema


def entries() -> Decoder:
    w = BtfWriter()
    u32 = w.integer("u32", 4, 0)
    return Decoder(table(w, u32, u32, 4, 4))


def test_whose_rows_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    lines = entries()
    with caplog.at_level(logging.INFO, "beepy"):
        not_own([Decoder(EXITS), lines])
        not_own([Decoder(EXITS)])
    assert caplog.messages == [
        f"beepy's own work may be in {lines.schema.map}: no record names a process"
    ]


def test_a_pid_that_cannot_be_known(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "own_pid", lambda: None)
    batch = ring(EXITS, [Exits.record(pid=os.getpid())])
    with caplog.at_level(logging.INFO, "beepy"):
        assert not_own([Decoder(EXITS)])(batch) is batch
    assert caplog.messages == [
        "beepy's own rows are shown: its pid in the first PID namespace is not known"
    ]


def test_own_and_filtered_rows_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "own_pid", lambda: 7)
    rows = [(b"a", 7), (b"a", 8), (b"b", 7), (b"b", 8), (b"c", 9)]
    batch = ring(EXITS, [Exits.record(comm, pid) for comm, pid in rows])
    with Run(Given([batch])) as run:
        run.add_stage(OWN, not_own(run.decoders))
        wanted = Chosen(filters=["print_exits,comm,^a$"], wheres=["pid != 7"])
        run.add_stage(FILTERED, passing(wanted, run.decoders))
        (kept,) = run.batches()
        assert decode(EXITS, kept)["pid"] == [8]
        assert (run.stats.own, run.stats.filtered) == (2, 2)
