"""Maps that are no rows: histograms whose bars move, counts."""

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch
from beepy.obj.spec import Role
from beepy.outputs import RowOptions
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
        await pressed.pilot.resize_terminal(120, 24)
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
