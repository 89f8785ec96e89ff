"""Maps that are no rows: histograms whose bars move, counts."""

import re
import struct

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch
from beepy.obj.spec import Role
from beepy.outputs import RowOptions
from beepy.tui.panel import PanelView
from tests.support.events import Exits, ring, snapshot, stream, table, with_role
from tests.support.screens import Pressed, model_of, use

WRITER = BtfWriter()
U32, U64 = WRITER.integer("unsigned int", 4, 0), WRITER.integer("unsigned long", 8, 0)
EVENT = WRITER.struct("event", 8, [("le", U64, 0)])
HIST = with_role(stream(WRITER, EVENT, "hist_latency"), Role.HIST)


def observed(*values: int) -> Batch:
    return ring(HIST, [value.to_bytes(8, "little") for value in values])


def bars(pressed: Pressed) -> list[tuple[str, int]]:
    slots = [line for line in pressed.lines if " -> " in line]
    return [(line.split()[0], line.count("█")) for line in slots]


def test_bars_grow_to_the_end_of_the_line() -> None:
    async def steps(pressed: Pressed) -> None:
        assert "hist_latency: 3 events" in pressed.lines[1]
        assert bars(pressed) == [("0", 0), ("2", 21), ("4", 43)]
        await pressed.write(observed(*[2] * 9))
        assert bars(pressed) == [("0", 0), ("2", 43), ("4", 8)]
        await pressed.press("space")
        await pressed.write(observed(*[2] * 9))
        assert bars(pressed) == [("0", 0), ("2", 43), ("4", 8)]
        assert "paused" in pressed.lines[1]
        await pressed.press("escape")
        assert "paused" not in pressed.lines[1]
        assert "hist_latency: 21 events" in pressed.lines[1]
        await pressed.resize(120, 24)
        assert bars(pressed)[1] == ("2", 83)
        for key in ("f", "slash", "t", "s", "x", "c", "y", "w", "enter", "home", "up"):
            await pressed.press(key)
        assert len(pressed.app.screen_stack) == 1  # these keys are about rows

    app = use(model_of(HIST)[0], steps, batches=[observed(2, 5, 5)])
    assert app.last_lines == ()


def test_rows_are_shown_with_rows() -> None:
    async def steps(pressed: Pressed) -> None:
        assert "2 rows" in pressed.lines[1]

    model, _ = model_of(HIST, options=RowOptions(rows=True))
    use(model, steps, batches=[observed(2, 5)])


def test_counts_of_a_stream() -> None:
    counter = with_role(Exits("counter_exits").schema, Role.COUNTER)

    async def steps(pressed: Pressed) -> None:
        assert "counter_exits: 3 events" in pressed.lines[1]
        assert pressed.lines[3].split()[0] == "2"
        await pressed.press("q")

    exits = [Exits.record(b"a", 7), Exits.record(b"a", 7), Exits.record(b"b", 8)]
    app = use(model_of(counter)[0], steps, batches=[ring(counter, exits)])
    assert "counter_exits: 3 events" in app.last_lines[0]


def counts(pressed: Pressed) -> list[tuple[str, ...]]:
    """The count, the pid and the name of each row of the counters."""
    rows = [re.sub("[▼▲]", " ", line).split() for line in pressed.lines[2:-1] if line]
    at = rows[0].index("pid")
    return [(row[0], row[at], row[-1]) for row in rows[1:]]


def test_counts_of_a_stream_are_sorted_by_any_column() -> None:
    counter = with_role(Exits("counter_exits").schema, Role.COUNTER)

    def exits(*rows: tuple[bytes, int]) -> Batch:
        return ring(counter, [Exits.record(name, pid) for name, pid in rows])

    async def steps(pressed: Pressed) -> None:
        widget = pressed.app.maps.current
        assert isinstance(widget, PanelView)
        assert counts(pressed) == [("3", "10", "b"), ("2", "9", "c"), ("1", "200", "a")]
        while widget.names[widget.column] != "pid":
            await pressed.press("right")
        await pressed.press("s")
        # as numbers, not as texts
        assert [row[1] for row in counts(pressed)] == ["200", "10", "9"]
        assert "pid▼" in pressed.lines[2]
        assert "sorted by pid▼" in pressed.lines[1]
        await pressed.write(exits((b"d", 1000), (b"e", 3)))
        assert [row[1] for row in counts(pressed)] == ["1000", "200", "10", "9", "3"]
        await pressed.press("s")
        assert [row[1] for row in counts(pressed)] == ["3", "9", "10", "200", "1000"]
        assert "pid▲" in pressed.lines[2]
        await pressed.press("s")
        assert [row[0] for row in counts(pressed)] == ["3", "2", "1", "1", "1"]
        assert "sorted" not in pressed.text
        await pressed.press(*["right"] * 20, "s", "s")
        assert [row[2] for row in counts(pressed)] == ["a", "b", "c", "d", "e"]
        await pressed.press(*["left"] * 20, "s", "s")
        assert [row[0] for row in counts(pressed)] == ["1", "1", "1", "2", "3"]
        assert "count▲" in pressed.lines[2]

    first = exits((b"b", 10), (b"b", 10), (b"b", 10), (b"c", 9), (b"c", 9), (b"a", 200))
    use(model_of(counter)[0], steps, batches=[first], size=(120, 24))


def test_a_pause_keeps_the_counts_that_are_sorted() -> None:
    counter = with_role(Exits("counter_exits").schema, Role.COUNTER)

    async def steps(pressed: Pressed) -> None:
        await pressed.press("space", "s", "s")
        await pressed.write(ring(counter, [Exits.record(b"b", 8)] * 3))
        await pressed.resize(130, 30)
        await pressed.press()
        assert [row[0] for row in counts(pressed)] == ["1", "2"]
        assert "counter_exits: 3 events" in pressed.lines[1]
        assert "paused" in pressed.lines[1]
        await pressed.press("space")
        assert [row[0] for row in counts(pressed)] == ["2", "4"]

    exits = [Exits.record(b"a", 7), Exits.record(b"a", 7), Exits.record(b"b", 8)]
    use(model_of(counter)[0], steps, batches=[ring(counter, exits)], size=(120, 24))


def test_a_gauge_is_sorted_by_its_labels_and_its_value() -> None:
    fields = [("pid", U32, 0), ("value", U32, 32)]
    gauge = with_role(stream(WRITER, WRITER.struct("depth", 8, fields), "gauge_depth"), Role.GAUGE)
    records = [struct.pack("<II", pid, value) for pid, value in ((5, 70), (30, 9), (4, 100))]

    async def steps(pressed: Pressed) -> None:
        assert [line.split() for line in pressed.lines[3:6]] == [
            ["100", "4"],
            ["70", "5"],
            ["9", "30"],
        ]
        await pressed.press("right", "s")
        assert [line.split()[1] for line in pressed.lines[3:6]] == ["30", "5", "4"]
        await pressed.press("left", "s", "s")
        assert [line.split()[0] for line in pressed.lines[3:6]] == ["9", "70", "100"]

    use(model_of(gauge)[0], steps, batches=[ring(gauge, records)])


def test_histograms_are_sorted_by_labels_and_counts() -> None:
    fields = [("le", U64, 0), ("cpu_index", U32, 64), ("queue", U32, 96)]
    hist = with_role(stream(WRITER, WRITER.struct("wait", 16, fields), "hist_wait"), Role.HIST)

    def observed(*rows: tuple[int, int]) -> Batch:
        return ring(hist, [struct.pack("<QII", 2, cpu, queue) for cpu, queue in rows])

    def captions(pressed: Pressed) -> list[str]:
        found = [re.match(r"cpu_index\S? = (\d+)", line) for line in pressed.lines]
        return [match[1] for match in found if match]

    async def steps(pressed: Pressed) -> None:
        assert captions(pressed) == ["2", "10"]
        await pressed.press("right", "left", "left", "s")
        assert captions(pressed) == ["10", "2"]
        assert "cpu_index▼ = 10, queue = 7" in pressed.text
        await pressed.write(observed((9, 7), (300, 7)))
        assert captions(pressed) == ["300", "10", "9", "2"]
        await pressed.press("space", "s")
        await pressed.write(observed((1, 7)))
        assert captions(pressed) == ["2", "9", "10", "300"]
        await pressed.press("space")
        assert captions(pressed) == ["1", "2", "9", "10", "300"]
        await pressed.press("right", "right", "s", "s")
        assert ": count▲ " in pressed.text
        assert captions(pressed)[-1] == "2"
        await pressed.press("s")
        assert captions(pressed)[0] == "2"

    first = observed((2, 7), (2, 7), (10, 7))
    use(model_of(hist)[0], steps, batches=[first], size=(80, 40))


def test_one_histogram_has_nothing_to_sort() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press("right", "s")
        assert "sort: there is one thing here" in pressed.lines[-1]
        assert "sorted" not in pressed.lines[1]

    use(model_of(HIST)[0], steps, batches=[observed(2, 5)])


def test_a_click_on_a_heading_sorts() -> None:
    counter = with_role(Exits("counter_exits").schema, Role.COUNTER)

    async def steps(pressed: Pressed) -> None:
        await pressed.pilot.click(PanelView, offset=(pressed.lines[2].index("comm") + 1, 1))
        await pressed.press()
        assert "comm▼" in pressed.lines[2]

    exits = [Exits.record(b"a", 7), Exits.record(b"b", 8)]
    use(model_of(counter)[0], steps, batches=[ring(counter, exits)], size=(120, 24))


def test_counters_of_a_table_have_rates() -> None:
    schema = with_role(table(WRITER, U32, U64, 4, 8, name="counter_packets"), Role.COUNTER)

    def reading(number: int, seconds: int, **counts: int) -> Batch:
        entries = [
            (int(key[1:]).to_bytes(4, "little"), count.to_bytes(8, "little"))
            for key, count in counts.items()
        ]
        batch = snapshot(schema, entries)
        return batch._replace(snapshot=number, time_ns=batch.time_ns + seconds * 1_000_000_000)

    async def steps(pressed: Pressed) -> None:
        assert "a second" in pressed.lines[2]
        assert [line.split()[:3] for line in pressed.lines[3:6]] == [
            ["3", "5000", "500"],
            ["1", "60", "5"],
            ["2", "20", "0"],
        ]

    batches = [reading(1, 0, k1=10, k2=20), reading(2, 10, k1=60, k2=20, k3=5000)]
    use(model_of(schema)[0], steps, batches=batches)
