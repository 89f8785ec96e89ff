import struct

from beepy.btf.writer import BtfWriter, Member
from beepy.events.decoder import Decoder
from tests.support.events import ring, stream


def test_bools_and_enums_can_be_read_as_numbers() -> None:
    w = BtfWriter()
    enum, flags = (
        w.enum("e", {"LOW": -1, "ON": 1}, signed=True),
        w.enum("f", {"R": 1, "W": 2, "X": 4}),
    )
    boolean, wide = w.integer("_Bool", 1, 4), w.integer("_Bool", 4, 4)
    members: list[Member] = [
        ("enum", enum, 0),
        ("flags", flags, 32),
        ("wide", wide, 64),
        ("bool", boolean, 96),
        ("bits", enum, 104, 3),
        ("bit", boolean, 107, 1),
        ("text", w.array(w.integer("char", 1), 2), 112),
    ]
    schema = stream(w, w.struct("s", 16, members))
    decoder = Decoder(schema)
    numbers = [
        codec and field._replace(codec=codec)
        for field in decoder.fields
        for codec in [field.codec.as_number()]
    ]
    assert numbers.pop() is None
    read = [field for field in numbers if field]
    batch = ring(
        schema,
        [
            struct.pack("<iIIBB2s", -1, 5, 9, 3, 0b1111, b"x"),
            struct.pack("<iIIBB2s", 1, 9, 0, 0, 1, b""),
        ],
    )
    assert decoder.values(batch, read) == [[-1, 1], [5, 9], [1, 0], [1, 0], [-1, 1], [1, 0]]
    assert decoder.values(batch, decoder.fields)[:2] == [["LOW", "ON"], ["R|X", "R|0x8"]]
