"""What a run says of losses is what the replay of its recording says."""

from pathlib import Path
from typing import Any

import pytest

from beepy.cli.summary_line import summary_line
from beepy.errors import RecordingError
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.recording import counts
from beepy.recording.playback import Playback
from beepy.recording.recorder import Recorder
from beepy.session import Run
from tests.unit.recording.test_recording import EVENTS, TABLE, batches

NUMBERS = {0: EVENTS, 1: TABLE}


def counted() -> RunStats:
    stats = RunStats([EVENTS, TABLE])
    stats.lost = {EVENTS: 5, TABLE: 4}
    stats.lost_at = {("image", "program 'p', x.bpf.c:7"): 3}
    stats.missed = {("image", "p"): 2, ("image", "q"): None}
    stats.evicting = {TABLE}
    stats.overwritten, stats.sampled = 9, 4
    return stats


def test_losses_that_no_batch_has_come_back(tmp_path: Path) -> None:
    stats, path = counted(), str(tmp_path / "x.rec")
    recorder = Recorder(path, {}, stats)
    recorder.open([Decoder(EVENTS), Decoder(TABLE)])
    for batch in batches()[:3]:
        recorder.write(batch)
    recorder.close()
    stats.shown = 5
    with Run(Playback(path)) as run:
        list(run)
        assert summary_line(run.stats, 1) == summary_line(stats, 1)
        assert run.stats.total_lost == 12


def test_a_part_of_a_run_has_the_losses_of_its_batches(tmp_path: Path) -> None:
    path = str(tmp_path / "x.rec")
    recorder = Recorder(path, {})
    recorder.open([Decoder(EVENTS), Decoder(TABLE)])
    for batch in batches()[:3]:
        recorder.write(batch)
    recorder.close()
    with Run(Playback(path)) as run:
        list(run)
        assert run.stats.total_lost == 3


def test_places_are_safe_for_a_terminal() -> None:
    stats = RunStats()
    counts.read({"lost_at": [["image", "\x1b[2J", 1]]}, NUMBERS, stats, "x")
    assert summary_line(stats, 0).endswith(r"1 lost (\x1b[2J), 0.0 s")


@pytest.mark.parametrize(
    "damage",
    [
        {"lost": [[7, 1]]},
        {"lost": [[[], 1]]},
        {"lost": 3},
        {"lost_at": [["image", 3]]},
        {"lost_at": [["image", "place", None]]},
        {"missed": [["image", "p", -1]]},
        {"evicting": ["x"]},
        {"overwritten": "9"},
        {"sampled": 1.5},
    ],
)
def test_malformed_counts_are_refused(damage: dict[str, Any]) -> None:
    stats = RunStats()
    with pytest.raises(RecordingError, match=r"^x: malformed counts"):
        counts.read(damage, NUMBERS, stats, "x")
    assert not stats.lost_at
