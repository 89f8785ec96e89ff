"""The list of images by keys: search, choose, what cannot be read, hostile texts, sizes."""

import asyncio
import os
import signal

import pytest
from textual import events
from textual.worker import WorkerFailed

from beepy.tui.catalogue import Catalogue
from beepy.tui.catalogue_items import Box, Details, Fact, Group, Item, Remembered
from tests.support.piloted import Driver, drive

ITEMS = (
    Item("exitsnoop", "threads that end", bundled=True),
    Item("tcplife", "TCP connections that finish", bundled=True),
    Item("ghcr.io/x/tcptop:1", "bytes by connection", bundled=False),
    Item("bend", "", bundled=False),
)
BOXES = (Group("options", [Box("--set", "target_pid", type="int", default="0")]),)


def details(name: str) -> Details:
    if name == "tcplife":
        return Details(error="tcplife: not an ELF object")
    return Details([Fact("shows", f"the facts of {name}")], BOXES)


def names(screen: list[str]) -> list[str]:
    """Return the names in the list."""
    listed = screen[2 : next(number for number, row in enumerate(screen) if "──" in row)]
    return [row.split()[0] for row in listed if row.strip()]


def test_the_images_and_the_facts_of_the_one_under_the_cursor() -> None:
    async def look(driver: Driver) -> None:
        screen = driver.lines()
        assert "4 of 4 images" in screen[0]
        assert screen[2].split("  ", 1) == [" exitsnoop", "         threads that end"]
        assert screen[4] == " ghcr.io/x/tcptop:1  bytes by connection"
        assert " exitsnoop  bundled" in screen
        assert " shows        the facts of exitsnoop" in screen
        assert all(word in screen[-1] for word in ("Enter", "Choose", "Search", "Keys", "Quit"))
        assert " bend  stored here" in await driver.press("down", "ctrl+n", "down")
        assert " error        tcplife: not an ELF object" in await driver.press("up", "ctrl+p")
        screen = await driver.press("enter", "enter")  # it is not chosen
        assert "choose an image" in screen[0]
        screen = await driver.press("question_mark")
        assert any("search in names and descriptions" in row for row in screen)
        screen = await driver.press("escape")
        assert "choose an image" in screen[0]
        await driver.press("q")

    app = Catalogue(ITEMS, details)
    assert drive(app, look) is None
    assert (app.return_code, app.was_ended) == (0, False)


def test_search() -> None:
    async def search(driver: Driver) -> None:
        assert names(await driver.press("t", "c", "p")) == ["tcplife", "ghcr.io/x/tcptop:1"]
        assert "stored here" in "\n".join(await driver.press("down"))
        screen = await driver.press("escape", "slash", "q")
        assert "0 of 4 images" in screen[0]
        assert any("no image of that name or description" in row for row in screen)
        screen = await driver.press("enter", "backspace", *"CONN", "space", *"byte")
        assert names(screen) == ["ghcr.io/x/tcptop:1"]
        screen = await driver.press("escape", *"end")
        assert names(screen) == ["bend", "exitsnoop"]  # names before descriptions
        await driver.press("enter", "enter")

    assert drive(Catalogue(ITEMS, details), search) == ["run", "bend"]


def test_the_bottom_line_has_the_keys_of_the_search() -> None:
    async def search(driver: Driver) -> None:
        assert driver.lines()[-1] == " Enter Choose  Tab Facts  / Search  ? Keys  q Quit"
        screen = await driver.press(*"con/")
        assert screen[1].strip() == "con/"
        assert screen[-1] == " Enter Choose  Esc Clear  F1 Keys  Tab Facts"
        assert "search in names" in "\n".join(await driver.press("f1"))
        screen = await driver.press("escape", "escape")
        assert screen[-1] == " Enter Choose  Tab Facts  / Search  ? Keys  q Quit"

    assert drive(Catalogue(ITEMS, details), search) is None


def test_a_search_takes_keys_that_come_together() -> None:
    async def search(driver: Driver) -> None:
        for key, character in (("t", "t"), ("space", " "), ("q", "q"), ("question_mark", "?")):
            driver.app.post_message(events.Key(key, character))
        assert (await driver.press())[1].strip() == "t q?"

    assert drive(Catalogue(ITEMS, details), search) is None


def test_what_is_chosen_is_run() -> None:
    async def choose(driver: Driver) -> None:
        assert "choose an image" in (await driver.press("enter", "escape"))[0]
        assert "exitsnoop: threads" in (await driver.press("enter"))[0]
        await driver.press("7", "enter")

    result = drive(Catalogue(ITEMS, details), choose)
    assert result == ["run", "exitsnoop", "--set", "target_pid=7"]


def test_what_was_run_is_chosen_again_with_its_boxes_as_they_were() -> None:
    remembered = Remembered()

    async def run(driver: Driver) -> None:
        await driver.press("end", "enter", "7", "enter")

    async def again(driver: Driver) -> None:
        assert " bend  stored here" in driver.lines()
        screen = await driver.press("enter")
        assert any("target_pid=7" in row for row in screen)
        await driver.press("backspace", "8", "enter")

    command = ["run", "bend", "--set", "target_pid=7"]
    assert drive(Catalogue(ITEMS, details, remembered=remembered), run) == command
    result = drive(Catalogue(ITEMS[1:], details, remembered=remembered), again)
    assert result == ["run", "bend", "--set", "target_pid=8"]


@pytest.mark.parametrize("keys", [("ctrl+c",), ("slash", "x", "ctrl+c"), ("enter", "ctrl+c")])
def test_quit(keys: tuple[str, ...]) -> None:
    async def leave(driver: Driver) -> None:
        await driver.press(*keys)

    assert drive(Catalogue(ITEMS, details), leave) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    async def end(driver: Driver) -> None:
        os.kill(os.getpid(), number)
        await asyncio.sleep(0)
        await driver.pilot.pause()

    app = Catalogue(ITEMS, details)
    before = signal.getsignal(number)
    try:
        assert drive(app, end) is None
    finally:
        signal.signal(number, before)
    assert app.was_ended


def test_an_error_ends_it_without_a_traceback() -> None:
    def fail(name: str) -> Details:
        raise ZeroDivisionError(name)

    async def wait(driver: Driver) -> None:
        await driver.press("down")

    app = Catalogue(ITEMS, fail)
    with pytest.raises(WorkerFailed):
        drive(app, wait)
    assert isinstance(app.failure, WorkerFailed)
    assert repr(app.failure.error) == "ZeroDivisionError('exitsnoop')"


def test_hostile_texts_are_shown_and_control_nothing() -> None:
    evil = Item("[/]\x1b[2J", "[red]\u202eabc[/red]\n\x07 " + "x" * 5000, bundled=False)

    async def look(driver: Driver) -> None:
        screen = driver.lines()
        text = "\n".join(screen)
        assert "[/]\\x1b[2J" in text
        assert "[red]\\xe2\\x80\\xaeabc[/red]" in text
        screen = [*screen, *await driver.press("enter")]
        assert all(row.isprintable() for row in screen)
        await driver.press("enter")

    app = Catalogue([evil], lambda _: Details([Fact("\x1b[1m", "[b]\x1b]0;x\x07")], BOXES))
    assert drive(app, look) == ["run", "[/]\x1b[2J"]


def test_sizes() -> None:
    long = Item(f"ghcr.io/{'x' * 60}/end:1", "", bundled=False)

    async def resize(driver: Driver) -> None:
        assert any(row.endswith("xxx/end:1") for row in driver.lines())
        await driver.press("down", "down")
        for width, height in ((200, 50), (120, 40), (80, 24), (40, 12), (20, 6)):
            screen = await driver.resize(width, height)
            assert len(screen) == height
            assert all(len(row) <= width for row in screen)
            if width >= 80:  # the cursor stays where it was
                assert any("the facts of ghcr.io" in row for row in screen)

    drive(Catalogue([*ITEMS, long], details), resize)


def test_each_image_is_read_once_and_only_when_it_is_looked_at() -> None:
    read: list[str] = []

    def reading(name: str) -> Details:
        read.append(name)
        return details(name)

    async def look(driver: Driver) -> None:
        for key in ("down", "up", "down", "up", "enter"):
            await driver.press(key)

    drive(Catalogue(ITEMS, reading), look)
    assert read == ["exitsnoop", "tcplife"]
