"""Records shorter than their type, and records without a fixed length, from a real program."""

import json
import re

import pytest

from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy
from tests.support.scrape import ours, page, until
from tests.support.trigger import trigger

pytestmark = pytest.mark.kernel

LENGTHS = (0, 1, 5, 63)


def test_every_record_is_shown_with_what_is_in_it(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start("-v", "run", object_of("lengths"), "-o", "json", "--no-metrics") as running:
        running.until_attached()
        for number, length in enumerate(LENGTHS):
            trigger(length, number)
        done = running.end()
    rows: dict[str, list[dict[str, object]]] = {}
    for line in done.out.splitlines():
        row = json.loads(line)
        del row["time"]
        rows.setdefault(row.pop("map"), []).append(row)
    cut = [
        {"number": number, "length": length, "args": "a" * length or None, "never": None}
        for number, length in enumerate(LENGTHS)
    ]
    assert rows["print_cut"] == rows["counter_cut"] == cut
    opened = ["a" * max(length - 1, 0) for length in LENGTHS]
    assert rows["print_open"] == [
        {"length": length, "args": args} for length, args in zip(LENGTHS, opened, strict=True)
    ]
    # a perf buffer pads records: the kernel does not tell where their own bytes end
    assert [row["args"] for row in rows["print_perf"]] == [None, *opened[1:]]
    assert [row["never"] for row in rows["print_perf"]] == [None] * len(LENGTHS)
    assert done.said[-1].startswith("beepy: 16 shown, 0 filtered, ")


def test_columns_leave_cells_without_a_value_empty(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        *("-v", "run", object_of("lengths"), "-o", "columns", "--no-metrics"),
        *(
            "-f",
            "print_cut,args,^a+$",
            "-f",
            "print_open,length,^5$",
            "-f",
            "print_perf,length,^5$",
        ),
        *("-f", "counter_cut,never,^$"),
    ) as running:
        running.until_attached()
        trigger(5, 77)
        done = running.end()
    assert "None" not in done.out
    assert "print_cut" in done.out
    assert "aaaaa" in done.out


def test_they_are_counted_by_what_is_in_them(beepy: Beepy, object_of: ObjectOf) -> None:
    with beepy.start(
        "-v", "run", object_of("lengths"), "-o", "none", "--prom-port", "0"
    ) as running:
        running.until_attached()
        url = running.metrics()
        for length in (2, 2, 0):
            trigger(length, 7)
        text = until(lambda: page(url), lambda text: text.count("counter_cut{args=") == 2)
        running.end()
    assert sorted(line for line in ours(text).splitlines() if not line.startswith("#")) == [
        'ebpf_solo_io_counter_cut{args="",length="0",never="",number="7"} 1',
        'ebpf_solo_io_counter_cut{args="aa",length="2",never="",number="7"} 2',
    ]
    short = dict(
        re.findall(r'^beepy_short_records_total\{.*,map="(\w+)"\} (\S+)$', text, re.MULTILINE)
    )
    assert short == {
        "print_cut": "3.0",
        "counter_cut": "3.0",
        "print_perf": "3.0",
        "print_open": "0.0",
    }
