import pytest

from beepy.btf.writer import BtfWriter
from tests.support.events import decode, ring, stream, texts


def test_an_ipv4_address_is_dotted_as_it_is_stored() -> None:
    w = BtfWriter()
    address = w.typedef("ipv4_addr", w.typedef("u32", w.integer("unsigned int", 4, 0)))
    schema = stream(w, w.struct("s", 8, [("saddr", address, 0), ("all", w.array(address, 1), 32)]))
    batch = ring(schema, [bytes([127, 0, 0, 1, 10, 200, 255, 0])])
    assert decode(schema, batch) == {"saddr": ["127.0.0.1"], "all": [("10.200.255.0",)]}
    assert texts(schema, batch) == {"saddr": ["127.0.0.1"], "all": ["[10.200.255.0]"]}


@pytest.mark.parametrize("shape", ["array", "struct", "int128"])
def test_an_ipv6_address_of_16_bytes_may_be_any_type(shape: str) -> None:
    w = BtfWriter()
    u8 = w.integer("unsigned char", 1, 0)
    match shape:
        case "array":
            of = w.array(u8, 16)
        case "struct":
            of = w.struct(
                "in6_addr", 16, [("in6_u", w.array(w.integer("unsigned int", 4, 0), 4), 0)]
            )
        case _:
            of = w.integer("unsigned __int128", 16, 0)
    schema = stream(w, w.struct("s", 16, [("daddr", w.const(w.typedef("ipv6_addr", of)), 0)]))
    raw = bytes.fromhex("20010db8000000000000000000000001")
    assert decode(schema, ring(schema, [raw])) == {"daddr": ["2001:db8::1"]}


def test_bees_ipv6_address_of_4_bytes_is_printed_as_bee_does() -> None:
    w = BtfWriter()
    schema = stream(
        w, w.struct("s", 4, [("daddr", w.typedef("ipv6_addr", w.integer("unsigned int", 4, 0)), 0)])
    )
    assert decode(schema, ring(schema, [bytes([1, 2, 3, 4])])) == {"daddr": ["1.2.3.4"]}


def test_a_typedef_of_another_size_has_no_meaning() -> None:
    w = BtfWriter()
    schema = stream(
        w, w.struct("s", 4, [("took", w.typedef("duration", w.integer("unsigned int", 4, 0)), 0)])
    )
    assert texts(schema, ring(schema, [b"\x01\0\0\0"])) == {"took": ["1"]}


@pytest.mark.parametrize(("signed", "value"), [(0, (1 << 64) - 1_500), (1, -1_500)])
def test_a_duration_is_a_number_with_a_text(signed: int, value: int) -> None:
    w = BtfWriter()
    schema = stream(
        w, w.struct("s", 8, [("took", w.typedef("duration", w.integer("long long", 8, signed)), 0)])
    )
    batch = ring(schema, [(-1_500).to_bytes(8, "little", signed=True)])
    assert decode(schema, batch) == {"took": [value]}
    assert texts(schema, batch) == {"took": ["-1.5µs"]}


def test_the_outermost_typedef_with_a_meaning_is_used() -> None:
    w = BtfWriter()
    mine = w.typedef("my_ip", w.const(w.typedef("ipv4_addr", w.integer("unsigned int", 4, 0))))
    schema = stream(w, mine)
    assert decode(schema, ring(schema, [bytes([1, 1, 1, 1])])) == {"value": ["1.1.1.1"]}


def test_an_ipv4_mapped_address_is_dotted_as_in_go() -> None:
    w = BtfWriter()
    address = w.typedef("ipv6_addr", w.array(w.integer("unsigned char", 1, 0), 16))
    schema = stream(w, w.struct("s", 16, [("daddr", address, 0)]))
    mapped = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 1])
    assert decode(schema, ring(schema, [mapped])) == {"daddr": ["10.0.0.1"]}
