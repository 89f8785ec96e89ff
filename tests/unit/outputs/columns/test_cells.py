import pytest

from beepy.events.decoder import Decoder
from beepy.outputs.columns.cells import cells, clipped, padded, width
from tests.writers.btf import BtfWriter
from tests.writers.events import stream

WORLD = "\u4e16\u754c"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), (WORLD, 4), ("e\u0301", 1), ("\U0001f600", 2), ("\u00ad", 1), ("na\u00efve", 5)],
)
def test_widths_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        (WORLD, 4, WORLD),
        (WORLD * 2, 4, WORLD[0] + "…"),
        (WORLD * 2, 6, WORLD + "…"),
        (WORLD, 1, "…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_what_is_too_long_ends_in_an_ellipsis(text: str, columns: int, expected: str) -> None:
    assert clipped(text, columns) == expected
    assert width(clipped(text, columns)) <= columns


def test_blanks_fill_a_cell() -> None:
    assert padded(WORLD, 6, right=False) == WORLD + "  "
    assert padded("7", 3, right=True) == "  7"
    assert padded("long", 3, right=True) == "long"


def test_values_have_the_text_for_people() -> None:
    w = BtfWriter()
    u64, i32 = w.integer("u64", 8, 0), w.integer("int", 4, 1)
    members = [("ret", i32, 0), ("n", i32, 32), ("took", w.typedef("duration", u64), 64), ("lat_us", u64, 128)]
    members += [("start_time", u64, 192), ("comm", w.array(w.integer("char", 1, 1), 16), 256)]
    decoder = Decoder(stream(w, w.struct("s", 48, members)))
    found = {cell.name: cell for cell in cells(decoder.fields).values()}
    assert found["ret"].text(-2) == "-2 ENOENT"
    assert found["took"].text(1_500_000) == found["lat_us"].text(1500) == "1.5ms"
    assert found["comm"].text("\x1b[2J") == "\\x1b[2J"
    assert [cell.text(None) for cell in found.values()] == [""] * 6
    assert [name for name, cell in found.items() if cell.right] == ["n", "took", "lat_us", "start_time"]
    assert [name for name, cell in found.items() if cell.time] == ["start_time"]
    assert [name for name, cell in found.items() if cell.plain] == ["n"]
    exact = {cell.name: cell for cell in cells(decoder.fields, exact=True).values()}
    assert exact["start_time"].text(123_456_789_012) == "123456789012"
    assert exact["start_time"].plain
