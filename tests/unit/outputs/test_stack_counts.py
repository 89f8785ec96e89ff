"""What is counted of stacks is bounded, and what is not held is said."""

import pytest

from beepy.events.decoder import Decoder
from beepy.outputs import stack_counts
from beepy.outputs.stack_counts import StackCounts
from tests.support.events import snapshot
from tests.unit.events.test_stacks import entry, of_ids


def test_stacks_beyond_the_bound_are_one_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stack_counts, "MAX_STACKS", 2)
    schema = of_ids()._replace(drains=True)
    counts = StackCounts()
    counts.open([Decoder(schema)])
    entries = [entry(7, -1, name, 2) for name in (b"a", b"b", b"c", b"d", b"a")]
    counts.add(snapshot(schema, entries))
    found = {(before, frames[0]): count for _, (before, frames), count in counts.rows()}
    assert found == {(("a",), "entry"): 4, (("b",), "entry"): 2, ((), "[other]"): 4}
    assert "2 rows have stacks beyond the first 2: counted as [other]" in caplog.text


def test_the_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_counts, "_MAX_TEXT", 100)
    schema = of_ids()
    counts = StackCounts()
    counts.open([Decoder(schema)])
    for number in range(1, 50):  # of old snapshots nothing counts
        entries = [entry(7, -1, name, number) for name in (b"a", b"b", b"c", b"d", b"e")]
        counts.add(snapshot(schema, entries)._replace(snapshot=number))
    assert [(before, count) for _, (before, _), count in counts.rows()] == [
        *((("a",), 49), (("b",), 49), (("c",), 49), (("d",), 49), ((), 49)),
    ]
