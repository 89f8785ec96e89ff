"""Units mean the same in every option that takes them."""

import pytest

from beepy import units
from beepy.cli.option_values import seconds, size
from beepy.cli.summary_line import ring_lines
from beepy.events.batch import Schema
from beepy.events.stats import RunStats
from beepy.obj.map_sizes import settings
from beepy.outputs.rotation import rotation
from tests.support.events import Exits


@pytest.mark.parametrize("unit", "KMG")
def test_sizes(unit: str) -> None:
    factor = units.SIZES[unit]
    assert size("--last", 1)(f"3{unit}") == 3 * factor
    assert rotation(f"4096{unit}").size == 4096 * factor
    assert settings([f"map=3{unit}"]) == {"map": f"3{unit}"}


@pytest.mark.parametrize("size", ["4K", "3M", "2G", "4097"])
def test_a_size_to_try_is_one_that_the_option_takes(size: str) -> None:
    schema: Schema = Exits().schema
    stats = RunStats([schema])
    number = int(size.rstrip("KMG")) * units.SIZES.get(size[-1], 1)
    stats.rings = {schema: (number // 2, 0, number)}
    (line,) = ring_lines(stats)
    assert line.endswith(f"--map-size {schema.map}={size}")


@pytest.mark.parametrize(("unit", "expected"), [("ms", 0.25), ("s", 250), ("m", 15e3), ("h", 9e5)])
def test_times(unit: str, expected: float) -> None:
    assert seconds("--timeout", f"250{unit}") == expected
    assert units.NANOSECONDS[unit] * 250 == expected * 1e9
    if unit != "ms":
        assert rotation(f"250{unit}").seconds == expected
