from beepy.btf.writer import BtfWriter
from beepy.events.decoder import Decoder
from beepy.outputs.columns.cells import cells
from tests.support.events import stream


def test_values_are_shown_for_people() -> None:
    w = BtfWriter()
    u64, i32 = w.integer("u64", 8, 0), w.integer("int", 4, 1)
    members = [
        ("ret", i32, 0),
        ("n", i32, 32),
        ("took", w.typedef("duration", u64), 64),
        ("lat_us", u64, 128),
    ]
    members += [("start_time", u64, 192), ("comm", w.array(w.integer("char", 1, 1), 16), 256)]
    decoder = Decoder(stream(w, w.struct("s", 48, members)))
    shown = {cell.name: cell for cell in cells(decoder.fields).values()}
    assert shown["ret"].text(-2) == "-2 ENOENT"
    assert shown["took"].text(1_500_000) == shown["lat_us"].text(1500) == "1.5ms"
    assert shown["comm"].text("\x1b[2J") == "\\x1b[2J"
    assert [cell.text(None) for cell in shown.values()] == [""] * 6
    assert [name for name, cell in shown.items() if cell.right] == [
        "n",
        "took",
        "lat_us",
        "start_time",
    ]
    assert [name for name, cell in shown.items() if cell.time] == ["start_time"]
    assert [name for name, cell in shown.items() if cell.plain] == ["n"]
    exact = {cell.name: cell for cell in cells(decoder.fields, exact=True).values()}
    assert exact["start_time"].text(123_456_789_012) == "123456789012"
    assert exact["start_time"].plain


def test_a_duration_is_shown_by_the_unit_of_its_codec() -> None:
    w = BtfWriter()
    decoder = Decoder(stream(w, w.struct("s", 8, [("took", w.integer("u64", 8, 0), 0)])))
    (field,) = decoder.fields
    field = field._replace(codec=field.codec._replace(unit_ns=1_000_000))
    (cell,) = cells([field]).values()
    assert (cell.duration, cell.text(1500)) == (True, "1.5s")
