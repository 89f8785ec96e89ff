"""The form by keys: each kind of box, what does not fit, the command line that does the same."""

from collections.abc import Sequence

from textual import events
from textual.app import App

from beepy.tui.catalogue_controls import Text
from beepy.tui.catalogue_form import AS_ROOT, Form, Program
from beepy.tui.catalogue_items import Box, Details, Group, Item, Kind
from beepy.tui.keyboard import Keyboard
from tests.support.piloted import Driver, drive

ITEM = Item("exitsnoop", "threads that end", bundled=True)


def number(text: str) -> str:
    return "" if text.isdecimal() else "expected a number"


BOXES = (
    Box("--set", "flag", type="bool", default="false", kind=Kind.FLAG),
    Box("--set", "on", type="bool", default="true", kind=Kind.FLAG),
    Box("--set", "count", type="u32", default="12", help="how many", check=number),
    Box("--set", "colour", "enum colour", "RED", kind=Kind.CHOICE, choices=("GREEN", "GREY")),
    Box("--set", "points", type="struct point[2]", help="cannot be set", kind=Kind.CLOSED),
    Box("--where", help="only rows for which it is true"),
)


class Host(App[list[str]]):
    """Shows a form alone."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        boxes: Sequence[Box],
        program: Program = AS_ROOT,
        kept: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.keyboard = Keyboard(self)
        self.form = Form(
            ITEM, Details(groups=[Group("options", boxes)]), program, {} if kept is None else kept
        )

    async def on_event(self, event: events.Event) -> None:
        if not self.keyboard.holds(event):
            await super().on_event(event)

    def on_mount(self) -> None:
        self.push_screen(self.form, self.exit)


def command(screen: list[str]) -> str:
    start = next(number for number, row in enumerate(screen) if row.startswith(" $ "))
    return " ".join([row.strip() for row in screen[start:-1]])


def row(screen: list[str], name: str) -> str:
    return next(line for line in screen if line.startswith(f" {name} "))


def test_each_kind_of_box() -> None:
    async def fill(driver: Driver) -> None:
        screen = driver.lines()
        assert row(screen, "flag").split() == ["flag", "[", "]", "false", "bool"]
        assert "[x] true" in row(screen, "on")
        assert "[12" in row(screen, "count")
        assert "u32  how many" in row(screen, "count")
        assert "< RED >" in row(screen, "colour")
        assert "struct point[2]  cannot be set" in row(screen, "points")
        assert command(screen) == "$ beepy run exitsnoop"
        screen = await driver.press("space", "down", "space", "down", "7", "tab")
        assert "[x] true" in row(screen, "flag")
        assert command(screen) == (
            "$ beepy run exitsnoop --set flag=true --set on=false --set count=7"
        )
        screen = await driver.press("g")
        assert "< GREEN >" in row(screen, "colour")
        assert "< GREY >" in row(await driver.press("g"), "colour")
        assert "< GREEN >" in row(await driver.press("left"), "colour")
        screen = await driver.press("down", *"pid > 1")  # the closed one is skipped
        assert command(screen).endswith("--set colour=GREEN --where 'pid > 1'")
        await driver.press("enter")

    expected = ["flag=true", "on=false", "count=7", "colour=GREEN"]
    words = [word for text in expected for word in ("--set", text)]
    result = drive(Host(BOXES), fill)
    assert result == ["run", "exitsnoop", *words, "--where", "pid > 1"]


def test_what_is_changed_back_is_no_argument() -> None:
    async def fill(driver: Driver) -> None:
        await driver.press("space", "space", "down", "down", "5", "backspace", "down")
        await driver.press("space", "backspace", "enter")

    assert drive(Host(BOXES), fill) == ["run", "exitsnoop"]


def test_keys_that_come_together_are_each_their_box_s() -> None:
    async def fill(driver: Driver) -> None:
        await driver.press("down", "down", "1", "2", "3", "left")
        for key in ("backspace", "backspace", "down", "delete", "up", "home"):
            driver.app.post_message(events.Key(key, None))
        screen = await driver.press()
        assert command(screen) == "$ beepy run exitsnoop --set count=3"
        await driver.press("enter")

    assert drive(Host(BOXES), fill) == ["run", "exitsnoop", "--set", "count=3"]


def test_a_question_mark_opens_the_keys_where_it_is_no_text() -> None:
    async def look(driver: Driver) -> None:
        assert driver.lines()[-1].endswith(" ? Keys")
        assert "Esc Back" in driver.lines()[-1]
        for key in ("question_mark", "f1"):  # at a check box
            assert "back to the images" in "\n".join(await driver.press(key))
            await driver.press("escape")
        screen = await driver.press("down", "down", "question_mark")  # in a text
        assert "[?" in row(screen, "count")
        assert screen[-1].endswith(" F1 Keys")
        assert "back to the images" in "\n".join(await driver.press("f1"))
        screen = await driver.press("question_mark", "backspace", "down")  # at values
        assert screen[-1].endswith(" ? Keys")
        assert "back to the images" in "\n".join(await driver.press("question_mark"))
        await driver.press("escape", "enter")

    assert drive(Host(BOXES), look) == ["run", "exitsnoop"]


def test_an_error_stands_at_its_box_until_it_fits() -> None:
    async def fill(driver: Driver) -> None:
        screen = await driver.press("down", "down", "x")
        below = screen[screen.index(row(screen, "count")) + 1]
        assert below.strip() == "expected a number"
        screen = await driver.press("up", "enter")
        assert isinstance(driver.app.screen.focused, Text)
        screen = await driver.press("backspace", "3")
        assert "expected a number" not in "\n".join(screen)
        await driver.press("enter")

    assert drive(Host(BOXES), fill) == ["run", "exitsnoop", "--set", "count=3"]


def test_what_was_filled_in_is_kept_when_one_comes_back() -> None:
    async def change(driver: Driver) -> None:
        await driver.press("space", "down", "down", "7", "down", "space", "escape")

    async def again(driver: Driver) -> None:
        screen = driver.lines()
        assert "[x] true" in row(screen, "flag")
        assert "< GREEN >" in row(screen, "colour")
        await driver.press("enter")

    kept = {"--where": "pid > 1"}
    assert drive(Host(BOXES, kept=kept), change) is None
    words = ["--set", "flag=true", "--set", "count=7", "--set", "colour=GREEN"]
    result = drive(Host(BOXES, kept=kept), again)
    assert result == ["run", "exitsnoop", *words, "--where", "pid > 1"]


def test_a_required_box() -> None:
    box = Box("--iface", kind=Kind.CHOICE, choices=["lo"], help="an interface", required=True)

    async def fill(driver: Driver) -> None:
        screen = await driver.press("enter")
        assert "< choose >" in row(screen, "--iface")
        assert any(line.strip() == "expected an interface" for line in screen)
        await driver.press("space", "enter")

    assert drive(Host([box]), fill) == ["run", "exitsnoop", "--iface", "lo"]


def test_without_root_the_command_begins_with_sudo() -> None:
    async def look(driver: Driver) -> None:
        screen = driver.lines()
        assert command(screen) == "$ sudo beepy run exitsnoop"
        assert any("as this user" in line for line in screen)
        assert any("back to the images" in line for line in await driver.press("f1"))
        await driver.press("escape", "escape")

    program = Program(("sudo", "beepy"), "not as this user")
    assert drive(Host((), program), look) is None


def test_hostile_texts_and_many_boxes_in_a_small_terminal() -> None:
    evil = "[/]\x1b[2J\u202e"
    boxes = [
        Box("--set", evil, evil, evil, evil, choices=(evil,), check=lambda _: evil, kind=kind)
        for kind in (Kind.TEXT, Kind.CHOICE, Kind.CLOSED)
    ]
    boxes += [Box("--set", f"variable_{number}") for number in range(24)]

    async def look(driver: Driver) -> None:
        screens = [*driver.lines(), *await driver.press("x", "down", "space")]
        assert "[/]\\x1b[2J" in "\n".join(screens)
        assert all(line.isprintable() for line in screens)
        screen = await driver.press(*["up"] * 3)
        assert row(screen, "variable_22")
        for width, height in ((40, 12), (20, 6)):
            screen = await driver.resize(width, height)
            assert len(screen) == height
            assert all(len(line) <= width for line in screen)

    drive(Host(boxes), look)
