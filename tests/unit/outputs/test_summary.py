"""``--summary``: what it says is what ``Counter`` says, in 2 kB and bounded memory."""

import json
import random
import re
import struct
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from beepy.btf.writer import BtfWriter, Member
from beepy.events.batch import Batch, Schema
from beepy.events.choice import apply as choose
from beepy.events.costs import Cost
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.outputs.summary import MAX_BYTES, Summary
from tests.soak import times
from tests.support.command import ROOT
from tests.support.events import Exits, ring, snapshot, stream, table

EXITS = Exits()
_DOCUMENTED, *_ = re.findall(r"```json\n(.*?)```", (ROOT / "docs/agents.md").read_text(), re.DOTALL)
SCHEMA = Draft202012Validator(json.loads(_DOCUMENTED))


def summarized(*batches: Batch, stats: RunStats | None = None, fields: str = "") -> dict[str, Any]:
    decoders = [Decoder(schema) for schema in dict.fromkeys([b.schema for b in batches])]
    if fields:
        choose([fields], decoders)
    summary = Summary()
    summary.open(decoders)
    for batch in batches:
        summary.write(batch)
    summary.close()
    line = summary.text(["image:1"], stats or RunStats(), 1.5)
    assert len(line.encode()) <= MAX_BYTES
    assert line.isascii()
    assert line.count("\n") == 1
    document = json.loads(line)
    SCHEMA.validate(document)
    assert isinstance(document, dict)
    return document


def test_counts_are_those_of_all_rows() -> None:
    chance = random.Random(2)
    rows = [
        (chance.choice([b"bash", b"sh", b"ls", b"cat", b"ps", b"id"]), chance.randrange(4))
        for _ in range(500)
    ]
    records = [EXITS.record(comm, pid=number) for comm, number in rows]
    batches = [ring(EXITS.schema, records[start : start + 7]) for start in range(0, 500, 7)]
    stats = RunStats([EXITS.schema])
    stats.shown, stats.filtered, stats.own, stats.zeros, stats.cut_by_count = 500, 3, 2, 4, 5
    stats.cut_by_limit, stats.cut_by_until = 6, 7
    stats.lost = {EXITS.schema: 6}
    document = summarized(*batches, stats=stats)
    exits = document["maps"]["print_exits"]
    comms, pids = Counter([comm.decode() for comm, _ in rows]), Counter([pid for _, pid in rows])
    assert exits["rows"] == 500
    assert exits["fields"]["comm"]["values"] == 6
    assert [count for _, count in exits["fields"]["comm"]["top"]] == [
        count for _, count in comms.most_common(5)
    ]
    assert all(comms[comm] == count for comm, count in exits["fields"]["comm"]["top"])
    assert exits["fields"]["pid"] == {
        "min": 0,
        "max": 3,
        "sum": sum([pid for _, pid in rows]),
        "values": 4,
        "top": [[pid, count] for pid, count in pids.most_common()],
    }
    assert exits["fields"]["start_time"] == {"min": 10, "max": 10}  # a sum of times has no meaning
    assert document == {
        "images": ["image:1"], "seconds": 1.5, "shown": 500, "filtered": 3, "own": 2,
        "not_shown": 22, "lost": 6, "missed": 0, "cut": False, "maps": {"print_exits": exits},
    }  # fmt: skip


def test_what_is_not_known_is_null() -> None:
    stats = RunStats([EXITS.schema])
    stats.missed[("image:1", "p")] = None
    stats.cost = Cost(unknown="needs CAP_SYS_ADMIN")
    document = summarized(ring(EXITS.schema, [EXITS.record()[:20]]), stats=stats)
    assert (document["lost"], document["missed"]) == (None, None)
    assert document["cost"] == {"programs": None, "beepy": None}
    assert document["maps"]["print_exits"]["lost"] is None
    assert document["maps"]["print_exits"]["fields"]["comm"] == {"values": 1, "top": [[None, 1]]}
    assert document["maps"]["print_exits"]["fields"]["sig"] == {
        "min": None, "max": None, "sum": 0, "values": 1, "top": [[None, 1]],
    }  # fmt: skip


def counters(**changed: Any) -> Schema:  # noqa: ANN401
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    key = w.struct("key", 8, [("port", u32, 0), ("proto", u32, 32)])
    return table(w, key, u64, 8, 8, name="counter_bytes")._replace(**changed)


def entries(schema: Schema, number: int, *rows: tuple[int, int, int]) -> Batch:
    packed = [(struct.pack("<II", *keys), struct.pack("<Q", value)) for *keys, value in rows]
    return snapshot(schema, packed)._replace(snapshot=number)


def test_of_a_table_the_last_whole_reading_counts_and_keys_are_ranked_by_value() -> None:
    schema = counters()
    first = entries(schema, 1, (9, 9, 1_000_000))
    second = entries(schema, 2, (80, 6, 5), (443, 6, 70), (53, 17, 30))
    third = entries(schema, 3, (1, 1, 1))._replace(final=False)
    read = summarized(first, second, third)["maps"]["counter_bytes"]
    assert read == {
        "rows": 3,
        "fields": {
            "port": {"min": 53, "max": 443, "sum": 576, "values": 3,
                     "top": [[443, 70], [53, 30], [80, 5]]},
            "proto": {"min": 6, "max": 17, "sum": 29, "values": 2, "top": [[6, 75], [17, 30]]},
            "value": {"min": 5, "max": 70, "sum": 105},
        },
    }  # fmt: skip
    # a reading that is not complete is all there is
    assert summarized(third)["maps"]["counter_bytes"]["rows"] == 1


def test_what_reading_deletes_is_added_up() -> None:
    schema = counters(drains=True)
    batches = entries(schema, 1, (80, 6, 5)), entries(schema, 2, (80, 6, 7))
    read = summarized(*batches)["maps"]["counter_bytes"]
    assert (read["rows"], read["fields"]["port"]["top"]) == (2, [[80, 12]])


def test_only_chosen_fields_are_counted() -> None:
    document = summarized(ring(EXITS.schema, [EXITS.record()]), fields="comm")
    assert [*document["maps"]["print_exits"]["fields"]] == ["comm"]


def test_reals_have_a_range_and_no_top() -> None:
    w = BtfWriter()
    schema = stream(w, w.struct("event", 8, [("load", w.real("double", 8), 0)]))
    values = [1.5, float("nan"), -2.0, float("inf")]
    batch = ring(schema, [struct.pack("<d", value) for value in values])
    load = summarized(batch)["maps"]["print_exits"]["fields"]["load"]
    assert load == {"min": -2.0, "max": 1.5, "sum": -0.5}


@pytest.mark.parametrize(("fields", "length", "maps"), [(1, 4000, 1), (60, 60, 3), (200, 200, 40)])
def test_it_fits_whatever_comes(fields: int, length: int, maps: int) -> None:
    batches = []
    for number in range(maps):
        w = BtfWriter()
        text = w.array(w.integer("char", 1), length)
        name = "n" * 90
        members: list[Member] = [(f"{name}{at}", text, 8 * length * at) for at in range(fields)]
        schema = stream(w, w.struct("event", length * fields, members), f"print_{name}{number}")
        batches.append(ring(schema, [b"\x1b" * length * fields, b"z" * length * fields]))
    document = summarized(*batches)
    assert document["cut"] is (fields > 1)


def test_memory_is_bounded_and_the_error_is_said() -> None:
    summary = Summary()
    summary.open([Decoder(EXITS.schema)])
    count = times(6000)
    tracemalloc.start()
    for start in range(0, count, 1000):
        records = [EXITS.record(b"%d" % at, pid=at) for at in range(start, start + 1000)]
        summary.write(ring(EXITS.schema, [*records, *[EXITS.record(b"often", 7)] * 100]))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 << 20  # of six fields with groups
    fields = json.loads(summary.text([], RunStats(), 0))["maps"]["print_exits"]["fields"]
    often = dict(map(tuple, fields["comm"]["top"]))["often"]
    assert fields["comm"]["values"] is None
    assert often <= count // 10 <= often + fields["comm"]["error"]
