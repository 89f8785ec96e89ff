"""The names of events."""

import pytest

from beepy import uapi
from beepy.hooks.perf_event import Event, parse

SOFTWARE, HARDWARE, RAW = uapi.PERF_TYPE_SOFTWARE, uapi.PERF_TYPE_HARDWARE, uapi.PERF_TYPE_RAW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cpu-clock", Event(SOFTWARE, 0, 99, True)),
        ("cpu-clock:freq=999", Event(SOFTWARE, 0, 999, True)),
        ("task-clock:period=1000000", Event(SOFTWARE, 1, 1_000_000, False)),
        ("page-faults", Event(SOFTWARE, 2, 1, False)),
        ("cs:period=10", Event(SOFTWARE, 3, 10, False)),
        ("cycles", Event(HARDWARE, 0, 99, True)),
        ("cache-misses:period=1000", Event(HARDWARE, 3, 1000, False)),
        ("r1a8", Event(RAW, 0x1A8, 99, True)),
        ("ref-cycles:freq=50", Event(HARDWARE, 9, 50, True)),
        ("type=1,config=2,frequency=7", Event(SOFTWARE, 2, 7, True)),
        ("frequency=7", Event(HARDWARE, 0, 7, True)),
        ("type=1,config=2", None),  # it would never sample
        ("type=1,config=2,frequency=0", None),
        ("type=1,config=2,rate=7", None),
        ("type=x,frequency=7", None),
        ("type=9999999999,frequency=7", None),
        ("", None),
        ("clock", None),
        ("cpu-clock:", None),
        ("cpu-clock:freq=0", None),
        ("cpu-clock:freq=-1", None),
        ("cpu-clock:freq=99:period=1", None),
        ("cpu-clock:rate=99", None),
        ("CPU-clock", None),
        ("r", None),
        ("r12345678123456781", None),
    ],
)
def test_events(text: str, expected: Event | None) -> None:
    assert parse(text) == expected
