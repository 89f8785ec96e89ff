import math
import struct

import pytest

from beepy.events import go_format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.0001, "0.0001"),
        (0.00012345, "0.00012345"),
        (0.00001, "1e-05"),
        (123456.0, "123456"),
        (999999.5, "999999.5"),
        (1e6, "1e+06"),
        (1234567890.0, "1.23456789e+09"),
        (100.0, "100"),
        (1000.5, "1000.5"),
        (2396600383928.0, "2.396600383928e+12"),
        (1e100, "1e+100"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_float_is_what_go_prints_with_v(value: float, text: str) -> None:
    assert go_format.real(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (-0.0, "-0"),
        (16777216.0, "1.6777216e+07"),
        (3.4028234663852886e38, "3.4028235e+38"),
        (1e-45, "1e-45"),
        (1.1754942e-38, "1.1754942e-38"),
        (2, "2"),
        (1 / 3, "0.33333334"),
    ],
)
def test_a_float32_has_the_digits_that_tell_it_from_other_float32(value: float, text: str) -> None:
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    assert go_format.real(go_format.narrow(single, 4)) == text
    assert struct.pack("<f", float(text)) == struct.pack("<f", single)


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), (65504.0, "65500"), (6e-8, "6e-08"), (1 / 3, "0.3333")]
)
def test_a_float16_has_the_digits_that_tell_it_from_other_float16(value: float, text: str) -> None:
    (half,) = struct.unpack("<e", struct.pack("<e", value))
    assert go_format.real(go_format.narrow(half, 2)) == text


def test_the_fewest_digits_of_a_float32_give_it_back() -> None:
    for bits in range(1, 0x7F800000, 0x7F800000 // 20_011):
        (single,) = struct.unpack("<f", struct.pack("<I", bits))
        short = go_format.narrow(single, 4)
        assert struct.pack("<f", short) == struct.pack("<f", single)
        assert len(repr(short)) <= len(repr(single))


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_float32_stays(value: float) -> None:
    assert go_format.narrow(value, 4) == value
    assert math.isnan(go_format.narrow(math.nan, 4))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (1_100, "1.1µs"),
        (1_500_000, "1.5ms"),
        (2_200_000, "2.2ms"),
        (999_999_999, "999.999999ms"),
        (1_000_000_000, "1s"),
        (3_300_000_000, "3.3s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_723_000_000_001, "1h2m3.000000001s"),
        (-1_500_000, "-1.5ms"),
        ((1 << 63) - 1, "2562047h47m16.854775807s"),
        (1 << 63, "-2562047h47m16.854775808s"),
        ((1 << 64) - 1, "-1ns"),
    ],
)
def test_a_duration_is_what_go_prints(nanoseconds: int, text: str) -> None:
    assert go_format.duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"bash\0\0\0\0", "bash"),
        (b"ba\0sh", "ba"),
        (b"full", "full"),
        (b"", ""),
        (b"\0", ""),
        ("naïve".encode() + b"\0", "naïve"),
        (b"a\xff\xfeb\0", "a\\xff\\xfeb"),
        (b"cut \xe2\x82\0", "cut \\xe2\\x82"),
        (b"[/]\x1b[31m\0", "[/]\x1b[31m"),
        (rb"\xff", r"\x5cxff"),  # typed: not the byte 0xff
        (rb"C:\xyz \xFF \x41 \u202e", r"C:\xyz \xFF \x41 \u202e"),  # no byte has such a text
    ],
)
def test_text_ends_at_the_nul_and_escapes_bytes_outside_utf8(raw: bytes, text: str) -> None:
    assert go_format.text(raw) == text


def test_booleans_are_words() -> None:
    assert (go_format.boolean(value=True), go_format.boolean(value=False)) == ("true", "false")


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        *(
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5\u00b5s"),
            (200_343_650, "200.3ms"),
            (1_234_567_890, "1.235s"),
        ),
        *(
            (-1_500_000, "-1.5ms"),
            (61_499_999_999, "1m1s"),
            (3_723_000_000_001, "1h2m3s"),
            (59_999_999, "60ms"),
        ),
    ],
)
def test_a_duration_for_people_has_four_digits(nanoseconds: int, text: str) -> None:
    assert go_format.brief_duration(nanoseconds) == text
