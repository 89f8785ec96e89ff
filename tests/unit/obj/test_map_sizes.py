import logging

import pytest

from beepy.btf.types import TypeId
from beepy.errors import UsageError
from beepy.obj.map_sizes import apply_all, settings
from beepy.obj.spec import MapSpec, Tracked
from beepy.uapi import MapType
from tests.support.refusal import refused
from tests.support.specs import spec

RING = MapSpec("events", ".maps", MapType.RINGBUF, max_entries=4096)
HASH = MapSpec("start", ".maps", MapType.HASH, 4, 8, 16)
PERF = MapSpec("perf", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4)
STORAGE = MapSpec("task", ".maps", MapType.TASK_STORAGE, 4, 8)
DATA = MapSpec(".bss", ".bss", MapType.ARRAY, 4, 8, 1, contents=b"")
ALL = spec(RING, HASH, PERF, STORAGE, DATA)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("64K", 65536), ("16M", 1 << 24), ("16MiB", 1 << 24), ("1G", 1 << 30)],
)
def test_sizes(text: str, size: int) -> None:
    (sized,) = apply_all([ALL], settings([f"events={text}", "start=7"]))
    assert [m.max_entries for m in sized.maps] == [size, 7, 0, 0, 1]
    assert sized.maps[2:] == ALL.maps[2:]


def test_a_number_from_python() -> None:
    (sized,) = apply_all([ALL], {"start": 1 << 20})
    assert sized.maps[1].max_entries == 1 << 20


def test_the_name_under_which_a_map_is_shown() -> None:
    shown = Tracked("events", None, TypeId(1), shown_as="calls")
    other = Tracked("perf", None, TypeId(1), shown_as="start")
    (sized,) = apply_all([ALL._replace(tracked=(shown, other))], settings(["calls=8K", "start=7"]))
    assert [m.max_entries for m in sized.maps] == [8192, 7, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("events", "--map-size 'events=': expected a size from 1 to 4294967295, such as 4096,"),
        ("=4K", "--map-size '=4K': expected MAP=SIZE"),
        ("events=0", "--map-size 'events=0': expected a size from 1 to"),
        ("events=4G", "--map-size 'events=4G': expected a size from 1 to"),
        ("events=-1", "--map-size 'events=-1': expected a size from 1 to"),
        ("events=4k", "--map-size 'events=4k': expected a size from 1 to"),
        ("events=\x1b", "--map-size 'events=\\x1b': expected a size"),
        ("event=4K", "--map-size 'event=4K': no map has that name: expected events, perf, start"),
        ("perf=4K", "--map-size 'perf=4K': a perf buffer has one entry for each CPU"),
        ("task=4K", "--map-size 'task=4K': it has one entry for each object of the kernel"),
        (".bss=4K", "--map-size '.bss=4K': no map has that name"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        apply_all([ALL], settings([text]))
    assert getattr(caught.value.args[0], "typed", caught.value.args[0]).startswith(why)


def test_a_similar_name_is_proposed() -> None:
    with pytest.raises(UsageError) as caught:
        apply_all([ALL], settings(["event=4K"]))
    assert caught.value.__notes__ == ["did you mean events?"]


def test_twice() -> None:
    with refused(UsageError, "map_sizes 'start=2': map 'start' is given twice"):
        settings(["start=1", "start=2"])


def test_maps_without_a_size(caplog: pytest.LogCaptureFixture) -> None:
    """As objects have them whose own loader decides."""
    stacks = MapSpec("stacks", ".maps", MapType.STACK_TRACE, 4)
    empty = [RING._replace(max_entries=0), HASH._replace(max_entries=0), stacks]
    with caplog.at_level(logging.WARNING):
        (sized,) = apply_all([spec(*empty, PERF, STORAGE)], {"stacks": 5})
    assert [m.max_entries for m in sized.maps] == [256 << 10, 10240, 5, 0, 0]
    assert sized.maps[2].value_size == 127 * 8
    assert [record.getMessage() for record in caplog.records] == [
        "map 'events': 262144 bytes: its size is left to who loads it: --map-size events=N sets it",
        "map 'start': 10240 entries: its size is left to who loads it: --map-size start=N sets it",
    ]


def test_nothing_changes_without_need() -> None:
    specs = [ALL]
    assert apply_all(specs, {}) is specs
