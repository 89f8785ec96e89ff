"""An image with a perf buffer, from the program to the closing line."""

import json
import re

import pytest

from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy
from tests.support.trigger import named, trigger

pytestmark = pytest.mark.kernel


def test_events_of_a_perf_buffer(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start("-v", "run", object_of("perfbuf"), "-o", "json") as running:
        running.until_attached()
        with named(b"sender"):
            trigger(3, 100)
        running.until(lambda: running.out.count(b"\n") == 3)
        trigger(99, 1)
        done = running.end()
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["number"] for row in rows] == [100, 101, 102, *range(1, 11)]
    assert {row["comm"] for row in rows[:3]} == {"sender"}
    assert [*rows[0]] == ["map", "time", "number", "pid", "comm"]
    assert re.fullmatch(r"beepy: 13 shown, 0 filtered, 0 lost, \d+\.\d s", done.said[-1])
