"""The newest records, in a file when somebody asks."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from beepy.errors import OutputError
from beepy.events.batch import Batch, Machine, Place
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.recording.flight import FlightRecorder
from beepy.recording.playback import Playback
from beepy.session import Run
from tests.soak import times
from tests.support.events import Exits, ring
from tests.unit.recording.test_recording import CPUS, EVENTS, TABLE, batches, event, replayed

EXITS = Exits().schema


class Flight:
    """A flight recorder, and what it said."""

    def __init__(self, path: Path, limit: int) -> None:
        self.stats = RunStats()
        self.said: list[tuple[str, int]] = []
        self.recorder = FlightRecorder(
            str(path), {"images": {}}, limit, self.stats, lambda *said: self.said.append(said)
        )

    def take(self, given: Sequence[Batch]) -> None:
        for batch in given:
            self.recorder.write(batch)


def numbered(*pids: int) -> Batch:
    return ring(EXITS, [Exits.record(pid=pid) for pid in pids])


def pids(path: Path) -> list[int]:
    with Run(Playback(str(path))) as run:
        return [event.pid for event in run.events()]


def opened(path: Path, limit: int = 1 << 20) -> Flight:
    flight = Flight(path, limit)
    flight.recorder.open([Decoder(EXITS)])
    return flight


def test_what_fits_is_all_there(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    flight = Flight(path, 1 << 20)
    flight.recorder.open([Decoder(schema) for schema in (EVENTS, TABLE, CPUS)])
    flight.take(batches())
    flight.recorder.close()
    back = replayed(path)
    for before, after in zip(batches(), back, strict=True):
        assert after._replace(schema=before.schema) == before
    assert flight.stats.overwritten == 0
    with Playback(str(path)) as playback:
        assert playback.schemas[0].clock.wall(1_000_000_000)


@pytest.mark.parametrize("rows", [1, 7, 500, 5000])
def test_the_oldest_are_overwritten_and_counted(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "x.rec"
    flight = opened(path, 64 << 10)
    count = 10_000
    flight.take([numbered(*range(at, at + rows)) for at in range(0, count, rows)])
    total = -(-count // rows) * rows
    flight.recorder.close()
    kept = pids(path)
    assert kept == list(range(total - len(kept), total))
    assert len(kept) + flight.stats.overwritten == total
    assert 200 < len(kept) < 1100  # 64 bytes each, and 250 more for each batch


def test_a_request_is_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "night.rec"
    flight = opened(path)
    flight.take([numbered(1, 2)])
    flight.recorder.request()
    flight.take([numbered(3)])
    flight.take([numbered(4)])
    flight.recorder.request()
    flight.recorder.write(numbered()._replace(records=0))  # a second has passed
    flight.recorder.close()
    names = [str(tmp_path / f"night.000{number}.rec") for number in (1, 2)]
    assert flight.said == [(names[0], 3), (names[1], 4)]
    assert [pids(Path(name)) for name in names] == [[1, 2, 3], [1, 2, 3, 4]]
    assert pids(path) == [1, 2, 3, 4]


def test_a_request_waits_for_each_table(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    flight = Flight(path, 1 << 20)
    flight.recorder.open([Decoder(schema) for schema in (EVENTS, TABLE, CPUS)])
    first, _, table, cpus, again = batches()
    flight.take([table])
    flight.recorder.request()
    flight.take([cpus._replace(final=False), first, cpus])
    assert flight.said == []
    flight.take([again, first])
    assert flight.said == [(str(tmp_path / "x.0001.rec"), 2 + 3 + 2 + 3 + 1)]
    flight.recorder.close()


def test_what_is_in_a_file_is_not_overwritten(tmp_path: Path) -> None:
    flight = opened(tmp_path / "x.rec", 64 << 10)
    rng = random.Random(5)
    written: set[int] = set()
    number = 0
    for _ in range(times(20)):
        count = rng.randrange(1, 400)
        if rng.random() < 0.4:
            flight.recorder.request()
        flight.take([numbered(*range(number, number + count))])
        number += count
    flight.recorder.close()
    for path in tmp_path.iterdir():
        written |= set(pids(path))
    assert flight.stats.overwritten == number - len(written)


def test_a_file_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    flight = opened(folder / "x.rec")
    for path in folder.iterdir():
        path.rename(tmp_path / "x.rec")
    folder.rmdir()
    flight.recorder.request()
    flight.take([numbered(1)])
    assert "x.0001.rec: no such file or directory" in caplog.text
    flight.recorder.close()
    assert pids(tmp_path / "x.rec") == [1]
    assert flight.said == []


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.rec").write_text("mine")
    with pytest.raises(OutputError, match="file exists"):
        opened(tmp_path / "x.rec")


def test_names_are_written_whenever_they_came(tmp_path: Path) -> None:
    """Records that are overwritten were the first to have them."""
    known = EVENTS._replace(machine=Machine(place=lambda _: Place(container="web")))
    path = tmp_path / "x.rec"
    flight = Flight(path, 1 << 10)
    flight.recorder.open([Decoder(known)])
    flight.take([ring(known, [event(7)])] * 200)
    flight.recorder.close()
    assert flight.stats.overwritten
    with Playback(str(path)) as playback:
        *_, batch = playback
        decoder = Decoder(batch.schema)
        field = decoder.named("container")
        assert field
        assert decoder.values(batch, [field]) == [["web"]]
