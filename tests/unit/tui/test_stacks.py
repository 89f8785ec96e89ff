"""Stacks become a tree, in the dialog of the column."""

from beepy.btf.writer import BtfWriter
from beepy.tui.stacks import Tree, frames
from tests.support.events import ring, stream
from tests.support.screens import Pressed, model_of, use

WRITER = BtfWriter()
TEXT = WRITER.array(WRITER.integer("char", 1), 32)
SCHEMA = stream(WRITER, WRITER.struct("event", 32, [("kernel_stack", TEXT, 0)]))
STACKS = [b"read; sys; main"] * 6 + [b"write; sys; main"] * 3 + [b"idle"]


def test_a_tree_counts_from_the_outermost_frame() -> None:
    tree = Tree()
    tree.count({"read; sys; main": 6, "write; sys; main": 3, "idle": 1, None: 1})
    assert [(node.name, node.count) for node in tree.visible()] == [("main", 9), ("idle", 1)]
    (main, _) = tree.visible()
    tree.toggle(main)  # and sys, the only one below it
    shown = [(node.name, node.depth, node.count) for node in tree.visible()]
    assert shown == [("main", 0, 9), ("sys", 1, 9), ("read", 2, 6), ("write", 2, 3), ("idle", 0, 1)]
    tree.count({"write; sys; main": 4})
    assert [node.name for node in tree.visible()] == ["main", "sys", "write"]
    tree.toggle(main)
    assert [node.name for node in tree.visible()] == ["main"]


def test_the_column_of_stacks_has_a_tree() -> None:
    batch = ring(SCHEMA, [stack.ljust(32, b"\0") for stack in STACKS])

    async def steps(pressed: Pressed) -> None:
        await pressed.press("t")
        assert pressed.line("9  90.0% ▸ main")
        await pressed.press("enter")
        assert pressed.line("6  60.0%       read")
        await pressed.write(batch)
        pressed.app.screen.tick()  # type: ignore[attr-defined]  # the dialog's
        await pressed.settle()
        assert pressed.line("12  60.0%       read")
        await pressed.press("escape", "enter")
        assert pressed.line("    idle")
        assert frames("a; b") == ["a", "b"]

    use(model_of(SCHEMA)[0], steps, batches=[batch])
