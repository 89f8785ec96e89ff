from beepy.btf.writer import BtfWriter
from beepy.events.decoder import Decoder
from beepy.outputs.columns.cells import cells
from tests.support.events import stream


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
