"""The texts of -b and -k."""

import pytest

from beepy.errors import UsageError
from beepy.outputs.metric_options import parse_buckets, parse_value_key


@pytest.mark.parametrize(
    ("text", "name", "bounds"),
    [
        ("hist_lat,[100,1000.5,2e3]", "hist_lat", (100, 1000.5, 2000)),
        (" m , [ 1 , 2 ] ", "m", (1, 2)),
        ("[1,2]", "", (1, 2)),
        (" [0]", "", (0,)),
        ("m,[-1,0,+Inf]", "m", (-1, 0)),
        ("m,[0]", "m", (0,)),
    ],
)
def test_buckets(text: str, name: str, bounds: tuple[float, ...]) -> None:
    parsed = parse_buckets(text)
    assert (parsed.map, parsed.bounds) == (name, bounds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected map,"),
        ("m", "expected map,"),
        ("m[1]", "expected map,"),
        ("m,x,[1]", "expected map,"),
        ("m,", "expected map,"),
        (",[1]", "expected map,"),
        ("m,1,2", "expected map,"),
        ("m,[1,2", "expected map,"),
        ("m,[]", "expected numbers"),
        ("m,[1,,2]", "expected numbers"),
        ("m,[1,x]", "expected numbers"),
        ("m,[inf]", "expected finite"),
        ("m,[1,nan,2]", "expected finite"),
        ("m,[-inf,1]", "expected finite"),
        ("m,[1,inf,inf]", "expected finite"),
        ("m,[2,1]", "bounds must increase"),
        ("m,[1,1]", "bounds must increase"),
        (f"m,{list(range(1001))}", "1001 bounds exceed 1000"),
        ("\x1b,[2,1]", r"--hist-buckets '\\x1b,\[2,1\]'"),
    ],
)
def test_wrong_buckets_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_buckets(text)


@pytest.mark.parametrize(
    ("text", "name", "field"),
    [
        (" hist_lat, us", "hist_lat", "us"),
        ("hist_lat,inner.us", "hist_lat", "inner.us"),
        ("us ", "", "us"),
    ],
)
def test_value_keys(text: str, name: str, field: str) -> None:
    assert parse_value_key(text)[1:] == (name, field)


@pytest.mark.parametrize("text", ["", "m,", ",f", "m,a,b"])
def test_a_wrong_value_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--hist-value-key '{text}': expected map,field or field"):
        parse_value_key(text)
