"""Stacks become a tree, in the dialog of the column."""

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Machine
from beepy.tui.stacks import Tree
from tests.support.events import ring, stream
from tests.support.screens import Pressed, model_of, use

WRITER = BtfWriter()
U32 = WRITER.integer("unsigned int", 4, 0)
TEXTS = {1: "read; sys; main", 2: "write; sys; main", 3: "idle"}
SCHEMA = stream(WRITER, WRITER.struct("event", 8, [("pid", U32, 0), ("kern_stack_id", U32, 32)]))
SCHEMA = SCHEMA._replace(machine=Machine(kernel_stack=TEXTS.__getitem__))
IDS = [1] * 6 + [2] * 3 + [3]


def test_a_tree_counts_from_the_outermost_frame() -> None:
    tree = Tree()
    tree.count({("main", "sys", "read"): 6, ("main", "sys", "write"): 3, ("idle",): 1})
    assert [(node.name, node.count) for node in tree.visible()] == [("main", 9), ("idle", 1)]
    (main, _) = tree.visible()
    tree.toggle(main)  # and sys, the only one below it
    shown = [(node.name, node.depth, node.count) for node in tree.visible()]
    assert shown == [("main", 0, 9), ("sys", 1, 9), ("read", 2, 6), ("write", 2, 3), ("idle", 0, 1)]
    tree.count({("main", "sys", "write"): 4})
    assert [node.name for node in tree.visible()] == ["main", "sys", "write"]
    tree.toggle(main)
    assert [node.name for node in tree.visible()] == ["main"]


def test_the_column_of_stacks_has_a_tree() -> None:
    records = [bytes(4) + number.to_bytes(4, "little") for number in IDS]
    batch = ring(SCHEMA, records)

    async def steps(pressed: Pressed) -> None:
        await pressed.press("t")
        assert pressed.line("9  90.0% ▸ main")
        await pressed.press("enter")
        assert pressed.line("6  60.0%       read")
        await pressed.write(batch)
        pressed.app.screen.tick()  # type: ignore[attr-defined]  # the dialog's
        await pressed.settle()
        assert pressed.line("12  60.0%       read")
        await pressed.press("escape", "up", "enter")
        at = pressed.lines.index(pressed.line("stack, the innermost frame first"))
        frames = [line.strip("│ ") for line in pressed.lines[at + 1 : at + 4]]
        assert frames == ["write", "sys", "main"]

    use(model_of(SCHEMA)[0], steps, batches=[batch])
