"""Every key of the screen, pressed by textual's pilot."""

import json
import re
import struct
from pathlib import Path

import pytest
from textual import events

from beepy.btf.writer import BtfWriter
from beepy.events.arrangement import Arrangement
from beepy.events.batch import Batch, Machine
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.outputs import DEFAULT
from beepy.tui import keys
from beepy.tui.model import Model
from beepy.tui.recording import Recording
from tests.support.command import ROOT
from tests.support.events import Exits, ring, snapshot, stream, table
from tests.support.screens import ABOUT, Pressed, model_of, use

EXITS = Exits()
NAMES = (b"bash", b"make", b"cc1")


def rows(first: int, count: int, *names: bytes) -> Batch:
    records = [
        EXITS.record((names or NAMES)[pid % len(names or NAMES)], pid, pid % 2)
        for pid in range(first, first + count)
    ]
    return ring(EXITS.schema, records)


def pids(pressed: Pressed) -> list[int]:
    """The pids of the rows that are visible, which are beside an exit code and a name."""
    found = [re.search(r"(\d+) +\d+ +1 0 +\d+ ", line) for line in pressed.lines[3:-1]]
    return [int(match[1]) for match in found if match]


def test_new_rows_come_at_the_bottom_until_it_is_paused() -> None:
    async def steps(pressed: Pressed) -> None:
        assert pids(pressed) == list(range(80, 100))
        await pressed.write(rows(100, 10))
        assert pids(pressed)[-1] == 109
        await pressed.press("space")
        await pressed.write(rows(110, 10))
        assert pids(pressed)[-1] == 109
        assert "paused, 10 newer" in pressed.lines[1]
        await pressed.press("space")
        assert pids(pressed)[-1] == 119
        await pressed.press("down", "pagedown")  # it is at the end
        assert "paused" not in pressed.lines[1]
        await pressed.press("up")
        await pressed.write(rows(120, 5))
        assert pids(pressed)[-1] == 119
        assert "paused, 5 newer" in pressed.lines[1]
        await pressed.press("end")
        assert pids(pressed)[-1] == 124
        assert "paused" not in pressed.lines[1]

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 100)])


def test_where_there_are_no_rows_nothing_is_paused() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press("up", "pageup", "down", "home")
        await pressed.write(rows(0, 3))
        assert pids(pressed) == [0, 1, 2]
        assert "paused" not in pressed.lines[1]

    use(model_of(EXITS.schema)[0], steps)


def test_the_cursor_goes_everywhere() -> None:
    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        await pressed.press("home")
        assert (table.cursor, pids(pressed)[0]) == (0, 0)
        await pressed.press("pagedown", "j", "down")
        assert table.cursor == 21
        await pressed.press("k", "pageup")
        assert table.cursor == 1
        await pressed.press("G")
        assert table.cursor == 99
        await pressed.press("g", "up")
        assert table.cursor == 0
        names = []
        for key in ("left", "h", "right", "l"):
            await pressed.press(key)
            names.append(table.grid.names[table.column])
        assert names == ["exit_code", "sig", "exit_code", "comm"]

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 100)])


def test_a_row_is_opened_and_filters() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press("enter")
        assert "pid" in pressed.line("pid         29")
        assert "record, 56 bytes" in pressed.text
        assert "make" not in pressed.line("comm        cc1")
        await pressed.press("left")
        assert pressed.line("pid         28")
        await pressed.press("n")
        assert pressed.line("pid         29")
        await pressed.press("y")
        assert json.loads(pressed.app.clipboard)["pid"] == 29
        await pressed.press(*["down"] * 7, "enter")
        assert 'filter: comm == "cc1"' in pressed.lines[1]
        assert pids(pressed) == list(range(2, 30, 3))
        await pressed.press("enter", "escape")
        assert "record, 56 bytes" not in pressed.text

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)])


def test_a_filter_is_live_completed_and_taken_back() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press("f")
        assert "pid" in pressed.line("(Tab)")
        await pressed.type("co")
        assert "comm (Tab)" in pressed.lines[-2]
        await pressed.press("tab")
        await pressed.type("==")
        assert re.search(r'"bash" \(Tab\) +"make" +"cc1"', pressed.lines[-2])
        await pressed.type(' "ba')
        await pressed.press("tab")
        assert 'filter: comm == "bash"' in pressed.lines[-3]
        assert pids(pressed) == list(range(0, 30, 3))  # before Enter
        await pressed.type("and nope > 1")
        await pressed.press("enter")
        assert "^ no field 'nope' in print_exits" in pressed.lines[-2]
        assert pressed.lines[-2].index("^") == len('filter: comm == "bash" and ')
        assert pressed.app.prompt.kind  # it stays, with what is wrong
        await pressed.press("escape")
        assert not pressed.app.prompt.kind
        assert len(pids(pressed)) == 20
        await pressed.press("f")
        await pressed.type("exit_code == 1")
        await pressed.press("enter")
        await pressed.write(rows(30, 4))
        assert pids(pressed)[-2:] == [31, 33]
        assert "34 rows, 17 here" in pressed.lines[1]
        await pressed.press("escape")
        assert "filter" not in pressed.lines[1]
        assert pids(pressed)[-1] == 33

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)])


def test_a_text_is_searched() -> None:
    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        await pressed.press("slash")
        await pressed.type("MAK")
        await pressed.press("enter")
        assert "not found: MAK" in pressed.lines[-1]  # with an upper case it must be so
        await pressed.press("slash", "ctrl+u")
        await pressed.type("mak")
        await pressed.press("enter")
        assert table.cursor == 28
        await pressed.press("N")
        assert table.cursor == 25
        await pressed.press("n", "n")
        assert table.cursor == 1  # around
        marked = [s.text for s in table.render_line(2) if s.style and s.style.bgcolor]
        assert marked == ["mak"]
        await pressed.press("escape")
        assert "/mak" not in pressed.lines[1]

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)])


@pytest.mark.parametrize("text", ["bash", "zxcvq", "yn[k ?/"])
def test_keys_that_come_together_are_the_prompt_s(text: str) -> None:
    async def steps(pressed: Pressed) -> None:
        for keys_at_once in (["up", "slash", *text, "enter"], ["f", *"pid == 4", "enter"]):
            for key in keys_at_once:
                character = {"slash": "/"}.get(key, key if len(key) == 1 else None)
                pressed.app.post_message(events.Key(key, character))
            await pressed.settle()
        assert pressed.app.table
        assert pressed.app.table.search.text == text
        assert "filter: pid == 4" in pressed.lines[1]
        assert pids(pressed) == [4]

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)])


def test_top_values_are_counted_and_filter() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press("t")
        assert re.search(r"14 +46\.7% █+ +a$", pressed.line(" 14 ").strip("│ "))
        await pressed.write(rows(30, 3, b"b"))
        pressed.app.screen.tick()  # type: ignore[attr-defined]  # the dialog's
        await pressed.settle()
        assert "of 33 rows" in pressed.text
        await pressed.press("down", "enter")
        assert "filter: comm ==" in pressed.lines[1]

    half = [rows(0, 14, b"a"), rows(14, 16, b"b")]
    use(model_of(EXITS.schema)[0], steps, batches=half)


def test_top_values_are_counted_while_their_box_opens() -> None:
    async def steps(pressed: Pressed) -> None:
        pressed.app.action_top()
        pressed.app.screen.tick()  # type: ignore[attr-defined]  # the dialog's
        await pressed.settle()
        assert "of 3 rows" in pressed.text

    assert use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 3)]).failure is None


def test_top_values_that_are_long_paths_are_cut_at_the_beginning() -> None:
    writer = EXITS.writer
    text = writer.array(writer.integer("char", 1), 256)
    schema = stream(writer, writer.struct("opens", 256, [("fname", text, 0)]))
    records = [f"/usr/{'x' * 70}/{name}".encode().ljust(256, b"\0") for name in ("one", "two")]

    async def steps(pressed: Pressed) -> None:
        await pressed.press("t")
        for name in ("one", "two"):
            assert re.search(rf" …x+/{name}│$", pressed.line(f"x/{name}│"))
        assert max(map(len, pressed.lines)) == 80
        await pressed.resize(60, 24)
        assert max(map(len, pressed.lines)) == 60
        for name in ("one", "two"):
            assert re.search(rf" …x+/{name}│$", pressed.line(f"x/{name}│"))

    use(model_of(schema)[0], steps, batches=[ring(schema, records)])


def test_derived_fields_are_columns_too() -> None:
    decoder = Decoder(EXITS.schema)
    Arrangement(("+age",)).apply([decoder])
    model = Model(DEFAULT, 100)
    model.open([decoder])

    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        assert pressed.lines[2].split()[-1] == "age"
        await pressed.press("right", "t")
        assert pressed.line("100.0% ████████████████████ 5ns")
        await pressed.press("enter")
        assert "filter: age == 5" in pressed.lines[1]
        await pressed.press("enter")
        assert pressed.line("age         5ns")
        await pressed.press("escape", "escape", "f", "ctrl+u")
        await pressed.type("ag")
        assert "age (Tab)" in pressed.lines[-2]

    use(model, steps, batches=[rows(0, 30)])


def test_rows_are_sorted_and_columns_arranged() -> None:
    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        table.column = table.grid.names.index("pid")
        await pressed.press("s")
        assert pids(pressed)[0] == 29
        assert "pid▼" in pressed.lines[2]
        await pressed.write(rows(1000, 1))
        assert pids(pressed)[0] == 1000
        await pressed.press("s")
        assert pids(pressed)[0] == 0
        await pressed.press("s")
        assert pids(pressed)[-1] == 1000
        await pressed.press("x")
        assert " pid" not in pressed.lines[2].replace("ppid", "")
        await pressed.press("c")
        lines = [line.strip("│ ") for line in pressed.lines if "] " in line]
        assert "[ ] pid" in lines
        at = lines.index("[ ] pid")
        await pressed.press(*["down"] * at, "space", "left", "escape")
        heading = pressed.lines[2].split()
        assert "pid" in heading
        before = heading.index("comm")
        await pressed.press("end")
        table.column = table.grid.names.index("comm")
        await pressed.press("less_than_sign")
        assert pressed.lines[2].split().index("comm") == before - 1
        await pressed.press("greater_than_sign")
        assert pressed.lines[2].split().index("comm") == before
        await pressed.press("c", "a", "escape")
        assert pressed.lines[2].split()[-1] == "comm"

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)])


def test_rows_that_are_paused_are_sorted_and_found_again_where_they_came() -> None:
    async def steps(pressed: Pressed) -> None:
        table = pressed.app.table
        assert table
        table.column = table.grid.names.index("exit_code")
        await pressed.press("home", "s")
        await pressed.write(rows(1000, 50))
        assert "sorted by exit_code▼  paused, 50 newer" in pressed.lines[1]
        assert "exit_code▼" in pressed.lines[2]
        await pressed.press("s", "down", "down", "down")
        assert pids(pressed)[:4] == [0, 2, 4, 6]
        await pressed.press("s")
        assert "sorted" not in pressed.lines[1]
        assert "paused, 50 newer" in pressed.lines[1]  # and they are not there
        assert len(table.rows) == 100
        assert (table.cursor, pids(pressed)[0]) == (6, 0)
        table.column = table.grid.names.index("comm")
        await pressed.press("s", "escape")
        assert "comm▼" in pressed.lines[2].split()  # beside the name, not at the column's end
        assert len(table.rows) == 150

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 100)])


def test_rows_are_copied_written_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = Recording({"images": {}})
    model, decoders = model_of(EXITS.schema)
    recording.open(decoders)

    async def steps(pressed: Pressed) -> None:
        await pressed.press("y")
        copied = json.loads(pressed.app.clipboard)
        assert (copied["map"], copied["pid"], copied["comm"]) == ("print_exits", 29, "cc1")
        await pressed.press("w")
        assert pressed.app.prompt.text == "image.jsonl"
        await pressed.press("enter")
        assert "30 rows written to image.jsonl" in pressed.lines[-1]
        written = (tmp_path / "image.jsonl").read_text().splitlines()
        assert [json.loads(line)["pid"] for line in written] == list(range(30))
        await pressed.press("w", "enter")
        assert "image.jsonl: file exists" in pressed.text
        await pressed.press("ctrl+u")
        await pressed.type("a.csv")
        await pressed.press("enter")
        assert (tmp_path / "a.csv").read_text().count("\n") == 31
        await pressed.press("r", "enter")
        assert "REC" in pressed.lines[0]
        recording.write(rows(30, 5))
        await pressed.press("r")
        assert "5 rows recorded" in pressed.lines[-1]
        assert "REC" not in pressed.lines[0]
        recording.write(rows(35, 5))
        assert recording.done == ["5 rows recorded: beepy replay image.rec"]

    use(model, steps, batches=[rows(0, 30)], recording=recording)
    from beepy.recording.playback import Playback

    with Playback(str(tmp_path / "image.rec")) as playback:
        assert sum(batch.records for batch in playback) == 5


def test_maps_and_images_have_their_places() -> None:
    other = EXITS.schema._replace(image="other:2", map="print_more")
    second = EXITS.schema._replace(map="print_second")

    async def steps(pressed: Pressed) -> None:
        assert "image:1" in pressed.lines[1]
        assert pressed.line("print_exits")
        assert pressed.line("print_second")
        assert "print_more" not in pressed.text
        await pressed.press("z")
        assert "print_second" not in pressed.text
        await pressed.press("tab")
        assert "print_second" in pressed.text
        assert "print_exits" not in pressed.text
        await pressed.press("z", "ctrl+n")
        assert "print_more" in pressed.text
        await pressed.press("ctrl+p", "ctrl+p")
        assert pressed.app.maps.current is pressed.app.maps.visible[0]
        await pressed.press("shift+tab")
        assert "print_more" in pressed.text

    use(model_of(EXITS.schema, second, other)[0], steps, batches=[rows(0, 3)])


def test_the_bottom_line_has_the_keys_that_there_is_room_for(tmp_path: Path) -> None:
    recording = Recording({})
    model, decoders = model_of(EXITS.schema)
    recording.open(decoders)
    usual = "Space pause  Enter row  f filter  / search  t top  s sort  ? help  q quit"

    async def steps(pressed: Pressed) -> None:
        assert pressed.lines[-1] == usual
        for columns, last in (
            (20, "? help  q quit"),
            (40, "Space pause  f filter  ? help  q quit"),
        ):
            await pressed.resize(columns, 24)
            assert pressed.lines[-1] == last
        await pressed.resize(120, 24)
        assert "r record" in pressed.lines[-1]
        await pressed.press("r", "ctrl+u")
        await pressed.type(str(tmp_path / "rows.rec"))
        await pressed.press("enter")
        for _ in range(30):  # ticks, until the message is gone
            pressed.app._tick()
        await pressed.settle()
        assert "r stop  ? help" in pressed.lines[-1]
        await pressed.press("r")

    use(model, steps, batches=[rows(0, 3)], recording=recording)


def test_a_recording_has_no_key_to_record() -> None:
    async def steps(pressed: Pressed) -> None:
        assert "w write  ? help" in pressed.lines[-1]

    use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 3)], size=(120, 24))


def test_all_keys_are_listed_and_documented() -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press("question_mark")
        assert "Look" in pressed.text
        await pressed.press("end")
        assert "q Ctrl-C" in pressed.text

    use(model_of(EXITS.schema)[0], steps)
    page = (ROOT / "docs" / "screen.md").read_text()
    documented = set(re.findall(r"^\| (.*?) \|", page, re.MULTILINE)) - {"key", "---"}
    names = {name for cell in documented for name in re.split(r"[ ,]+", cell)}
    for row in keys.TABLE:
        assert set(row.shown.split()) - {"g", "G"} <= names, row


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_leaving_keeps_what_was_seen(key: str) -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press(key)

    app = use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)])
    assert [line.split()[3] for line in app.last_lines[1:]] == [str(pid) for pid in range(10, 30)]


@pytest.mark.parametrize("keys_before", [["f"], ["slash", "a"], ["w"], ["enter"], ["t"], ["c"]])
def test_ctrl_c_leaves_whatever_has_the_keys(keys_before: list[str]) -> None:
    async def steps(pressed: Pressed) -> None:
        await pressed.press(*keys_before, "ctrl+c")

    assert use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 30)]).last_lines


def test_the_prompt_keeps_the_keys_until_it_is_closed() -> None:
    second = EXITS.schema._replace(map="print_second")

    async def steps(pressed: Pressed) -> None:
        first = pressed.app.table
        assert first
        await pressed.press("f")
        await pressed.type("pid == 4")
        await pressed.press("shift+tab", "tab")
        await pressed.pilot.click(offset=(5, 5))
        await pressed.pilot.click(offset=(5, 15))  # the other map
        await pressed.press("1", "backspace", "enter")
        assert (first.filter, pressed.app.table) == ("pid == 4", first)
        assert not pressed.app.prompt.kind
        await pressed.press("slash")
        assert pressed.lines[-3].startswith("search:")  # and no longer filter
        await pressed.pilot.click(offset=(5, 5))
        await pressed.press("escape", "down")
        assert not pressed.app.prompt.kind

    batches = [rows(0, 30), rows(0, 3)._replace(schema=second)]
    use(model_of(EXITS.schema, second)[0], steps, batches=batches)


def test_hostile_rows_are_shown_as_text() -> None:
    hostile = [b"[/]", b"\x1b[31mred", b"\xe2\x80\xae", b"[bold]x", b"\x07", b"a\nb", b"\xff"]

    async def steps(pressed: Pressed) -> None:
        for keys_of_one in (("enter",), ("escape", "t"), ("escape", "f", "tab")):
            await pressed.press(*keys_of_one)
            assert all(char.isprintable() for line in pressed.lines for char in line)
        assert "[/]" in pressed.text
        assert "\\x1b[31mred" in pressed.text

    app = use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 14, *hostile)])
    assert app.failure is None


def test_hostile_names_are_shown_as_text() -> None:
    names = "[red]\\[/]\x1b[31m[@click=app.quit]"
    schema = EXITS.schema._replace(map=names, image=names)

    async def steps(pressed: Pressed) -> None:
        shown = "[red]\\[/]\\x1b[31m[@click=app.quit]"
        assert shown in pressed.lines[1]
        await pressed.press("enter")
        assert shown in pressed.lines[2].replace("─", "")
        print("\x1b[31m[red]")
        await pressed.press("escape", "w")
        assert "\\x1b[31m[red]" in pressed.lines[-1]
        assert re.fullmatch(r"[-\w.]+\.jsonl", pressed.app.prompt.text)

    use(model_of(schema)[0], steps, batches=[rows(0, 3)._replace(schema=schema)])


def test_long_and_nested_values_are_whole_in_the_details() -> None:
    writer = EXITS.writer
    text = writer.array(writer.integer("char", 1), 4096)
    inner = writer.struct("peer", 4, [("port", writer.integer("unsigned int", 4, 0), 0)])
    schema = stream(writer, writer.struct("long", 4100, [("peer", inner, 0), ("path", text, 32)]))
    path = b"".join([b"/%03d" % number for number in range(1000)])

    async def steps(pressed: Pressed) -> None:
        assert max(map(len, pressed.lines)) <= 80
        await pressed.press("enter")
        assert pressed.line("│peer")
        assert pressed.line("│  port  7   ").index("7") == 9
        shown = ""
        for _ in range(6):
            for line in pressed.lines:
                piece = line.strip("│ ").removeprefix("path").strip()
                if re.fullmatch(r"[/\d]{8,}", piece) and piece not in shown:
                    shown += piece
            await pressed.press("pagedown")
        assert shown == path.decode()
        await pressed.press("home")
        for columns in (1, 40, 20, 100, 80):
            await pressed.resize(columns, 24)
            if columns == 1:
                continue
            whole = [line for line in pressed.lines if re.match(r"│(path)? +[/\d]+ *│$", line)]
            assert len(whole) > 10
        await pressed.resize(30, 24)
        await pressed.press("end")
        assert pressed.line("03fc  2f 32 35 34  /254")
        assert pressed.line("... 3076 more")

    use(model_of(schema)[0], steps, batches=[ring(schema, [b"\7\0\0\0" + path.ljust(4096, b"\0")])])


def test_a_resize_fits_everything_anew() -> None:
    async def steps(pressed: Pressed) -> None:
        for size in ((40, 10), (200, 50), (10, 3), (80, 24)):
            await pressed.resize(*size)
            await pressed.press("up")
            assert len(pressed.lines) == size[1]
            assert max(map(len, pressed.lines)) <= size[0]
        assert "comm" in pressed.lines[2]

    app = use(model_of(EXITS.schema)[0], steps, batches=[rows(0, 100)])
    assert app.failure is None


def test_a_table_changes_in_place() -> None:
    writer = EXITS.writer
    u32, u64 = writer.integer("unsigned int", 4, 0), writer.integer("unsigned long", 8, 0)
    schema = table(writer, u32, u64, 4, 8)

    def reading(number: int, **values: int) -> Batch:
        entries = [
            (int(key[1:]).to_bytes(4, "little"), value.to_bytes(8, "little"))
            for key, value in values.items()
        ]
        return snapshot(schema, entries)._replace(snapshot=number)

    async def steps(pressed: Pressed) -> None:
        await pressed.write(reading(1, k1=10, k2=20))
        await pressed.write(reading(2, k1=11, k2=20, k3=5))
        shown = pressed.app.table
        assert shown
        assert "3 entries" in pressed.lines[1]
        pressed.app._rates._at -= 2
        await pressed.settle()
        assert not re.search(r"\d/s", pressed.lines[0])  # how often it is read says nothing
        assert [line.split()[:2] for line in pressed.lines[3:6]] == [
            ["1", "11"],
            ["2", "20"],
            ["3", "5"],
        ]
        changed = [
            [s.text.strip() for s in shown.render_line(y) if s.style and s.style.color]
            for y in (2, 3, 4)
        ]
        assert changed == [["11"], [], ["5"]]
        await pressed.press("down", "enter")
        assert "key, 4 bytes" in pressed.text
        await pressed.write(reading(3, k2=99))
        await pressed.press("y")
        assert json.loads(pressed.app.clipboard)["value"] == 20  # of the row that is shown
        await pressed.press("escape")
        assert pressed.lines[3].split()[:2] == ["2", "99"]

    use(model_of(schema)[0], steps)


def test_a_crash_ends_the_screen_and_keeps_the_rows() -> None:
    async def steps(pressed: Pressed) -> None:
        shown = pressed.app.table
        assert shown
        shown.__dict__["pause"] = None  # which is called
        await pressed.press("up")

    model, _ = model_of(EXITS.schema)
    with pytest.raises(TypeError):
        use(model, steps, batches=[rows(0, 30)])


def test_what_is_said_meanwhile_is_shown_and_kept() -> None:
    async def steps(pressed: Pressed) -> None:
        print("warning: lost")
        await pressed.settle()
        assert "warning: lost" in pressed.lines[-1]

    assert list(use(model_of(EXITS.schema)[0], steps).foot.kept) == ["warning: lost"]


def test_without_a_map_there_are_messages() -> None:
    async def steps(pressed: Pressed) -> None:
        assert "no map is shown" in pressed.lines[1]
        for number in range(30):
            print(f"trace: {number}")
        await pressed.settle()
        assert pressed.lines[1:-1] == [f"trace: {number}" for number in range(8, 30)]
        await pressed.press("home", "space", "t", "f", "enter", "tab", "z", "y", "r", "w")
        assert pressed.lines[1] == "trace: 0"
        await pressed.press("q")

    assert use(model_of()[0], steps).failure is None


def test_the_line_on_top_has_the_counts() -> None:
    stats = RunStats([EXITS.schema])

    async def steps(pressed: Pressed) -> None:
        assert "exitsnoop  1 program: trace" in pressed.lines[0]
        assert "lost ?" in pressed.lines[0]
        stats.add_lost(EXITS.schema, 0)
        stats.lost[EXITS.schema] = 12_345
        stats.filtered = 7
        pressed.app._rates._at -= 2
        await pressed.write(rows(0, 10))
        assert "lost 12.3k  filtered 7" in pressed.lines[0]
        assert re.search(r" [3-5]/s +█ ", pressed.lines[0])

    use(model_of(EXITS.schema)[0], steps, about=ABOUT, stats=stats)


@pytest.mark.parametrize(("fields", "raw"), [(("+user",), False), ((), True), ((), False)])
def test_boxes_show_what_columns_do(*, fields: tuple[str, ...], raw: bool) -> None:
    """Fields that are computed, numbers as they are, names that the machine knows."""
    w = BtfWriter()
    u32, state = w.integer("u32", 4, 0), w.enum("state", {"IDLE": 0, "BUSY": 5})
    pairs = w.array(w.struct("pair", 8, [("a", u32, 0), ("b", u32, 32)]), 2)
    members = [("uid", u32, 0), ("state", state, 32), ("pairs", pairs, 64)]
    machine = Machine(user=lambda number: {7: "unal"}.get(number, ""))
    schema = stream(w, w.struct("event", 24, members))._replace(machine=machine)
    decoder = Decoder(schema)
    Arrangement(fields, raw=raw).apply([decoder])
    model = Model(DEFAULT, 100)
    model.open([decoder])

    async def steps(pressed: Pressed) -> None:
        await pressed.press("home")
        for field in ("uid", "state", "pairs", *["user"] * bool(fields)):
            table = pressed.app.table
            assert table
            table.column = table.grid.names.index(field)
            await pressed.press("t")
            assert pressed.line("100.0%")
            assert raw or field not in {"uid", "user"} or "unal" in pressed.line("100.0%")
            await pressed.press("escape")
        await pressed.press("enter")
        assert re.search("uid +7" if raw else "uid +unal +7", pressed.text)
        assert bool(re.search("user +unal", pressed.text)) == bool(fields)

    app = use(model, steps, batches=[ring(schema, [struct.pack("<6I", 7, 5, 1, 2, 3, 4)])])
    assert app.failure is None
