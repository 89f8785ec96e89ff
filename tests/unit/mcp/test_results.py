import json

from beepy.events.stats import RunStats
from beepy.events.top import Wanted
from beepy.mcp.results import MAX_RESULT, fitting, rows_of, with_counts
from beepy.session import Run
from tests.support.events import Exits, ring
from tests.support.given import Given

EXITS = Exits()
BATCHES = [ring(EXITS.schema, [EXITS.record(b"\x1b" * 15, pid)] * 100) for pid in range(50)]


def test_what_does_not_fit_is_left_out_and_named() -> None:
    document = {"title": "x", "a": "y" * MAX_RESULT, "b": [1], "c": "z" * MAX_RESULT}
    assert json.loads(fitting({"title": "x", "b": [1]}, ("b",))) == {"title": "x", "b": [1]}
    assert json.loads(fitting(document, ("c", "a", "b"))) == {
        "title": "x", "b": [1], "cut": True, "left_out": ["c", "a"],
    }  # fmt: skip


def test_rows_end_where_a_result_is_full() -> None:
    with Run(Given(BATCHES)) as run:
        lines, is_cut = rows_of(run, None)
        text = with_counts(lines, run.stats, 1.5, is_cut=is_cut)
    assert MAX_RESULT - 4096 < len(text) <= MAX_RESULT
    result = json.loads(text)
    assert result["cut"] is True
    assert len(result["rows"]) == len(lines) < 5000
    assert result["rows"][0]["comm"] == "\x1b" * 15


def test_groups_are_rows() -> None:
    with Run(Given(BATCHES)) as run:
        lines, is_cut = rows_of(run, Wanted(2, "pid"))
    assert [json.loads(line)["count"] for line in lines] == [100, 100]
    assert json.loads(with_counts(lines, RunStats(), 1, is_cut=is_cut))["cut"] is False


def test_each_row_is_counted_once() -> None:
    stats = RunStats()
    stats.shown, stats.filtered, stats.own, stats.zeros = 1, 2, 4, 8
    stats.cut_by_count, stats.cut_by_limit, stats.cut_by_until = 16, 32, 64
    stats.cut_by_top, stats.cut_by_output = 128, 256
    counts = json.loads(with_counts([], stats, 1, is_cut=False))
    assert [counts[name] for name in ("shown", "filtered", "own", "not_shown")] == [1, 2, 4, 504]
