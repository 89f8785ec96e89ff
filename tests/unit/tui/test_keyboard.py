"""Keys of one read: what comes behind Enter, Escape or a key that opens a box acts as if later."""

from textual import events

from beepy.tui.catalogue import Catalogue
from beepy.tui.catalogue_items import Box, Details, Group, Item
from tests.support.events import Exits, ring
from tests.support.piloted import Driver, drive
from tests.support.screens import Pressed, model_of, use

EXITS = Exits()
RECORDS = [EXITS.record((b"bash", b"make", b"cc1")[pid % 3], pid, pid % 2) for pid in range(30)]
ROWS = ring(EXITS.schema, RECORDS)
ITEMS = [Item("exitsnoop", "threads", bundled=True), Item("tcplife", "", bundled=True)]
BOXES = (Group("options", [Box("--set", "target_pid", type="int", default="0")]),)


def test_keys_behind_enter_are_not_the_prompt_s() -> None:
    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        await pressed.press_at_once("f", *"pid > 4", "enter", "space", "slash", *"mak", "enter")
        assert (table.filter, table.search.text) == ("pid > 4", "mak")
        assert table.paused
        await pressed.press_at_once("f", *" and pid < 9", "enter", "home", "s", "s", "y")
        assert table.filter == "pid > 4 and pid < 9"
        assert table.sort
        assert not pressed.app.prompt.kind
        await pressed.press_at_once("slash", *"x", "escape", "c", "escape", "f", "q", "escape", "q")

    app = use(model_of(EXITS.schema)[0], steps, batches=[ROWS])
    assert app.last_lines


def test_a_filter_that_is_wrong_keeps_the_keys() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press_at_once("f", *"nope", "enter", *" == 1")
        assert pressed.app.prompt.text == "nope == 1"

    use(model_of(EXITS.schema)[0], steps, batches=[ROWS])


def test_a_paste_is_between_the_keys_around_it() -> None:
    async def steps(pressed: Pressed) -> None:
        pressed.app.post_message(events.Key("f", "f"))
        pressed.app.post_message(events.Paste("pid == 7\nq"))
        await pressed.press_at_once("enter", "t")
        assert pressed.app.table
        assert pressed.app.table.filter == "pid == 7"
        assert "top values" in pressed.text

    use(model_of(EXITS.schema)[0], steps, batches=[ROWS])


def test_boxes_have_the_keys_behind_the_one_that_opens_them() -> None:
    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        await pressed.press_at_once("t", "down", "enter", "slash", *"cc", "enter")
        assert table.filter == 'comm == "make"'
        assert table.search.text == "cc"
        assert len(pressed.app.screen_stack) == 1
        await pressed.press_at_once("escape", "escape", "enter", "left", "left", "escape", "k")
        assert table.cursor == 26
        await pressed.press_at_once("question_mark", "down", "q", "q")

    app = use(model_of(EXITS.schema)[0], steps, batches=[ROWS])
    assert app.last_lines


def test_the_catalogue_takes_keys_that_come_together() -> None:
    async def choose(driver: Driver) -> None:
        for key in ("t", "c", "enter", "7", "escape", "escape", "down", "enter", "8", "enter"):
            driver.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await driver.press()

    app = Catalogue(ITEMS, lambda _: Details([], BOXES))
    # the form keeps what was filled in before
    assert drive(app, choose) == ["run", "tcplife", "--set", "target_pid=78"]
