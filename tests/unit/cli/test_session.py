import signal
from pathlib import Path

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.chosen import Chosen
from beepy.cli import session, signals
from beepy.cli.session import LOST, MISSED, failed_by_loss
from beepy.cli.summary_line import summary_line
from beepy.errors import BeepyError
from beepy.events.batch import Schema
from beepy.events.stats import RunStats

BTF = Btf(BtfWriter().data())


def ring(name: str) -> Schema:
    return Schema("image", name, None, BTF, record=TypeId(1))


def table(name: str) -> Schema:
    return Schema("image", name, None, BTF, record=VOID, key=TypeId(1), value=TypeId(1))


def stats(lost: dict[str, int | None], **counts: int) -> RunStats:
    run_stats = RunStats()
    for name, count in {"shown": 3, **counts}.items():
        setattr(run_stats, name, count)
    run_stats.lost = {ring(name): count for name, count in lost.items()}
    return run_stats


@pytest.mark.parametrize(
    ("counted", "line"),
    [
        (stats({}), "3 shown, 0 filtered, 0 lost"),
        (RunStats([table("t")]), "0 shown, 0 filtered, 0 lost"),
        (
            RunStats([ring("r")]),
            "0 shown, 0 filtered, lost unknown (r)",
        ),  # nothing came: nothing is known
        (RunStats([ring("p")._replace(counts_loss=True)]), "0 shown, 0 filtered, 0 lost"),
        (stats({"r": None}), "3 shown, 0 filtered, lost unknown (r)"),
        (stats({"r": 0}), "3 shown, 0 filtered, 0 lost"),
        (stats({"r": 5}), "3 shown, 0 filtered, 5 lost (r)"),
        (stats({"a": 5, "b": 2, "c": 0}), "3 shown, 0 filtered, 7 lost (a, b)"),
        (stats({"a": 5, "b": None}), "3 shown, 0 filtered, 5 lost (a), lost unknown (b)"),
        (
            stats({"r": 0}, filtered=1, own=5, cut_by_count=2),
            "3 shown, 1 filtered, 5 of beepy's own left out, 2 not shown (--count), 0 lost",
        ),
        (stats({}, zeros=9), "3 shown, 0 filtered, 9 zero rows hidden (--zero), 0 lost"),
        (stats({}, zeros=1), "3 shown, 0 filtered, 1 zero row hidden (--zero), 0 lost"),
        (stats({"\x1b[2J": 1}), r"3 shown, 0 filtered, 1 lost (\x1b[2J)"),
    ],
)
def test_the_summary_line_counts_every_event(counted: RunStats, line: str) -> None:
    assert summary_line(counted, 12.34) == f"beepy: {line}, 12.3 s"


def test_what_an_output_or_an_end_leaves_out_is_counted() -> None:
    counted = stats({"r": 0}, cut_by_output=3, cut_by_until=4, overwritten=5)
    rest = "3 not shown (--output), 4 not shown (--until), 5 overwritten (--last), 0 lost, 0.0 s"
    assert summary_line(counted, 0).endswith(f" filtered, {rest}")


def test_a_loss_that_was_once_unknown_stays_unknown() -> None:
    counted = RunStats([ring("r")])
    for lost in (3, None, 4):
        counted.add_lost(ring("r"), lost)
    assert summary_line(counted, 0) == "beepy: 0 shown, 0 filtered, lost unknown (r), 0.0 s"


def test_maps_of_one_name_do_not_hide_each_others_losses() -> None:
    perf, other = ring("events")._replace(counts_loss=True), ring("events")._replace(image="other")
    counted = RunStats([perf, other])
    counted.add_lost(perf, 5)
    counted.add_lost(perf, 7)
    counted.add_lost(other, None)
    assert (
        summary_line(counted, 0)
        == "beepy: 0 shown, 0 filtered, 12 lost (events), lost unknown (events), 0.0 s"
    )


def test_losses_of_tables_and_of_calls_whose_map_is_not_known() -> None:
    counted = RunStats([ring("r")._replace(counts_loss=True)])
    counted.lost[table("t")] = 4
    counted.lost_at = {("image", "program 'p', x.bpf.c:7"): 3, ("image", "program 'q', x:9"): 0}
    assert counted.total_lost == 7
    line = "0 shown, 0 filtered, 7 lost (t, program 'p', x.bpf.c:7)"
    assert summary_line(counted, 0) == f"beepy: {line}, 0.0 s"


def test_what_a_table_evicts_is_not_known() -> None:
    counted = RunStats([table("t")])
    counted.evicting.add(table("t"))
    line = "0 shown, 0 filtered, evictions unknown (t)"
    assert summary_line(counted, 0) == f"beepy: {line}, 0.0 s"
    counted.lost[ring("r")] = 0
    line = "0 shown, 0 filtered, 0 lost, evictions unknown (t)"
    assert summary_line(counted, 0) == f"beepy: {line}, 0.0 s"


def test_missed_runs_are_no_losses() -> None:
    counted = RunStats()
    counted.missed = {("image", "p"): 1, ("image", "q"): None}
    assert summary_line(counted, 0) == "beepy: 0 shown, 0 filtered, 0 lost, 1 missed run, 0.0 s"
    counted.missed["image", "q"] = 2
    assert summary_line(counted, 0) == "beepy: 0 shown, 0 filtered, 0 lost, 3 missed runs, 0.0 s"


def test_a_kernel_that_does_not_count_missed_runs_is_named() -> None:
    counted = RunStats()
    counted.missed = {("image", "p"): None, ("image", "q"): 0}
    line = "beepy: 0 shown, 0 filtered, 0 lost, missed runs unknown, 0.0 s"
    assert summary_line(counted, 0) == line


@pytest.mark.parametrize("value", ["", LOST, MISSED])
def test_what_fails(value: str) -> None:
    """Nothing without the option; what is not known fails as well."""
    counted = RunStats()
    assert not failed_by_loss(counted, value)
    for missed in (1, None):
        counted.missed["image", "p"] = missed
        assert failed_by_loss(counted, value) is (value == MISSED)
    for lost in (1, None):
        assert failed_by_loss(stats({"r": lost}), value) is bool(value)
    counted.evicting.add(table("t"))
    assert failed_by_loss(counted, value) is bool(value)


def test_no_timer_is_left_when_a_run_has_ended(tmp_path: Path) -> None:
    options = session.ShowOptions("json")
    signals.end_stalled_write(1000)
    with pytest.raises(BeepyError):
        session.replay(
            str(tmp_path / "none"),
            Chosen(),
            options,
            arrangement=None,
            limit=None,
            until="",
            speed=None,
            hides_zeros=True,
        )
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
