"""When the rows of a recording came, and the keys that go through it."""

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs import DEFAULT
from beepy.tui.about import About
from beepy.tui.model import Model
from beepy.tui.timeline import Timeline
from tests.support.events import TIME_NS, Exits, ring
from tests.support.screens import Pressed, use

EXITS = Exits()
SECOND = 1_000_000_000


def at(second: float, pid: int, count: int = 1) -> Batch:
    records = [EXITS.record(pid=pid)] * count
    return ring(EXITS.schema, records)._replace(time_ns=TIME_NS + int(second * SECOND))


def bars(timeline: Timeline, columns: int, at_ns: int | None = None) -> str:
    return "".join([segment.text for segment in timeline.segments(columns, at_ns)])


def test_bars_are_as_high_as_rows_are_many() -> None:
    timeline = Timeline()
    assert timeline.segments(80, None) == []
    for second, count in ((0, 8), (4, 1), (9.9, 4)):
        timeline.add(at(second, 1, count))
    line = bars(timeline, 28)
    assert line[9:-9] == "█   ▁    ▄"
    begin, end = timeline.span
    assert 9 <= (end - begin) / SECOND <= 11
    marked = timeline.segments(28, TIME_NS + 4 * SECOND)
    assert [segment.text for segment in marked][1:4] == ["█   ", "▁", "    ▄"]


def test_a_long_recording_has_few_buckets() -> None:
    timeline = Timeline()
    for hour in range(24):
        for minute in range(60):
            for second in range(0, 60, 10):
                timeline.add(at(3600 * hour + 60 * minute + second, 1))
    assert len(timeline._counts) <= 4096
    assert sum(timeline._counts.values()) == 24 * 360
    assert bars(timeline, 100).count(" ") == 2


def test_keys_go_through_the_time() -> None:
    model = Model(DEFAULT, 1000, Timeline())
    model.open([Decoder(EXITS.schema)])

    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        assert "night.rec" in pressed.lines[0]
        assert pressed.lines[1][9:-9].count("█") > 10
        await pressed.press("left_square_bracket")
        assert table.cursor == 95
        await pressed.press("left_square_bracket")
        assert table.cursor == 91
        await pressed.press("right_square_bracket")
        assert table.cursor == 96
        await pressed.press("home", "left_square_bracket")
        assert table.cursor == 0
        await pressed.press("end", "right_square_bracket", "r")
        assert table.cursor == 99
        assert "record: this is a recording" in pressed.lines[-1]

    batches = [at(second, second) for second in range(100)]
    use(model, steps, batches=batches, about=About(recording="night.rec"))


def test_keys_go_over_a_time_without_rows() -> None:
    model = Model(DEFAULT, 1000, Timeline())
    model.open([Decoder(EXITS.schema)])

    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        cursors = []
        for _ in range(4):
            await pressed.press("left_square_bracket")
            cursors.append(table.cursor)
        assert cursors == [4, 2, 0, 0]
        await pressed.press("right_square_bracket")
        assert table.cursor == 4
        await pressed.press("s", "left_square_bracket")
        assert "the rows are sorted" in pressed.lines[-1]

    batches = [at(second, second, 2) for second in (0, 1, 500, 1000)]
    use(model, steps, batches=batches, about=About(recording="night.rec"))
