import pytest

from beepy.outputs.columns.histograms import unit


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("lat_us", "hist_lat"), "usecs"),
        (("le", "hist_lat_ns"), "nsecs"),
        (("le", "msecs", "hist_lat"), "msecs"),
        (("size", "hist_io"), "bytes"),
        (("le", "hist_runqlat"), "value"),
        (("us", "hist_x"), "usecs"),
        (("depth", "hist_x"), "depth"),
    ],
)
def test_the_unit_is_named_where_a_name_tells_it(names: tuple[str, ...], expected: str) -> None:
    assert unit(*names) == expected
