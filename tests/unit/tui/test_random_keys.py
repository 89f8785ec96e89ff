"""Random keys, rows and sizes: the screen goes on, and shows nothing that controls a terminal."""

import random
from pathlib import Path

import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Batch, Machine, Schema
from beepy.obj.spec import Role
from beepy.outputs import DEFAULT
from beepy.tui import keys
from beepy.tui.model import Model
from beepy.tui.recording import Recording
from beepy.tui.timeline import Timeline
from tests.soak import times
from tests.support.events import Exits, ring, snapshot, stream, table, with_role
from tests.support.exits import NAMES
from tests.support.screens import Pressed, model_of, use

EXITS = Exits()
WRITER = BtfWriter()
U32, U64 = WRITER.integer("unsigned int", 4, 0), WRITER.integer("unsigned long", 8, 0)
FRAMES = ("main", "a", "\x1b[31m", "f" * 20, "\xff", "")
STACK = WRITER.struct("stack", 16, [("id", U64, 0), ("kern_stack_id", U32, 64)])
HIST = with_role(stream(WRITER, WRITER.struct("e", 8, [("le", U64, 0)]), "hist_le"), Role.HIST)
STACKS = stream(WRITER, STACK, "print_stacks")._replace(
    machine=Machine(kernel_stack=lambda number: "; ".join(FRAMES[number % 6 :]))
)
COUNTER = with_role(table(WRITER, U32, U64, 4, 8, name="counter_x"), Role.COUNTER)
LEAVING = ("leave", "suspend_process")
KEYS = [
    key
    for row in keys.TABLE
    if row.keys and row.action not in LEAVING
    for key in row.keys.split(",")
]
TYPED = ["shift+tab", *"abc=\"' ()<>~0.", "backspace", "ctrl+u", "tab", "enter", "escape"]


def batch(schema: Schema, random_: random.Random, number: int) -> Batch:
    count = random_.choice((0, 1, 3, 50))
    if schema is COUNTER:
        entries = [
            (key.to_bytes(4, "little"), random_.randrange(1 << 40).to_bytes(8, "little"))
            for key in range(count)
        ]
        return snapshot(schema, entries)._replace(
            snapshot=number, final=random_.random() < 0.8, time_ns=number * 1_000_000_000
        )
    if schema is HIST:
        records = [random_.randrange(1 << 40).to_bytes(8, "little") for _ in range(count)]
    elif schema is STACKS:
        records = [bytes(8) + bytes([random_.randrange(99)]) + bytes(7) for _ in range(count)]
    else:
        records = [EXITS.record(random_.choice(NAMES), random_.randrange(9)) for _ in range(count)]
        records = [record[: random_.choice((56, 40, 24))] for record in records[:1]] or records
    return ring(schema, records)._replace(time_ns=(number + 1) * 10**8)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(times(2)))
def test_random_keys(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random_ = random.Random(seed)
    schemas = [EXITS.schema, HIST, COUNTER, STACKS]
    random_.shuffle(schemas)
    schemas = schemas[: random_.randrange(1, 5)]
    schemas = [
        schema._replace(image=random_.choice(("one", "two"))) if random_.random() < 0.3 else schema
        for schema in schemas
    ]
    recording = Recording({})
    model, decoders = model_of(*schemas, most=random_.choice((7, 100)))
    recording.open(decoders)
    if random_.random() < 0.3:
        model = Model(DEFAULT, 100, Timeline())
        model.open(decoders)

    async def steps(pressed: Pressed) -> None:
        for number in range(1, 60):
            if random_.random() < 0.5:
                schema = random_.choice(schemas)
                base = next(
                    known
                    for known in (EXITS.schema, HIST, COUNTER, STACKS)
                    if known.map == schema.map
                )
                made = batch(base, random_, number)._replace(schema=schema)
                recording.write(made)
                await pressed.write(made)
            if random_.random() < 0.05:
                size = random_.randrange(1, 150), random_.randrange(1, 50)
                await pressed.resize(*size)
            choices = TYPED if pressed.app.prompt.kind else [*KEYS, *KEYS, "escape", "enter"]
            if random_.random() < 0.2:  # of one read: none knows what the others open
                await pressed.press_at_once(*random_.choices([*KEYS, *TYPED], k=8))
            await pressed.press(random_.choice(choices))
            assert all(line.isprintable() for line in pressed.lines), pressed.text

        await pressed.press(*["escape"] * 5)
        assert not pressed.app.prompt.kind
        assert len(pressed.app.screen_stack) == 1

    app = use(model, steps, recording=recording)
    recording.close()
    assert app.failure is None
