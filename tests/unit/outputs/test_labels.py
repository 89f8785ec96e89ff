"""``--labels``: the other fields are aggregated away, exactly and in bounded memory."""

import struct
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from prometheus_client.parser import text_string_to_metric_families

from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.obj.spec import Role
from beepy.outputs import metric_options
from beepy.outputs.metric_options import labels_of
from beepy.outputs.prometheus import Prometheus
from tests.soak import times
from tests.support.events import Exits, ring, snapshot, table, with_role

EXITS = with_role(Exits("counter_exits").schema, Role.COUNTER)
KEYS = 100_000


def bytes_by_state() -> Schema:
    """A table of a counter: (pid, state) -> bytes."""
    w = BtfWriter()
    u32, u64 = w.integer("u32", 4, 0), w.integer("u64", 8, 0)
    key = w.struct("key", 8, [("pid", u32, 0), ("state", u32, 32)])
    return with_role(table(w, key, u64, 8, 8, name="counter_bytes"), Role.COUNTER)


BYTES = bytes_by_state()


def samples(
    schema: Schema,
    labels: str,
    batches: Sequence[Batch] = (),
    tables: Sequence[Batch] = (),
    max_series: int = 10_000,
) -> dict[str, dict[tuple[str, ...], float]]:
    """The values of each metric by the values of its labels."""

    def read(_: tuple[Schema, ...]) -> Iterator[Batch]:
        return iter(tables)

    decoder = Decoder(schema)
    sink = Prometheus(
        "127.0.0.1",
        0,
        read_tables=read,
        labels=labels_of([labels] if labels else [], [decoder], {}),
        stats=RunStats([schema]),
        max_series=max_series,
    )
    try:
        sink.open([decoder])
        for batch in batches:
            sink.write(batch)
        page = b"".join(sink.page()).decode()
    finally:
        sink.close()
    values: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            values.setdefault(family.name, {})[tuple(sample.labels.values())] = sample.value
    return values


def test_events_of_many_pids_are_counted_by_name_and_code() -> None:
    batches = [
        ring(
            EXITS, [Exits.record(b"a%d" % (pid % 3), pid, pid % 2) for pid in range(at, at + 1000)]
        )
        for at in range(0, KEYS, 1000)
    ]
    values = samples(EXITS, "counter_exits=comm,exit_code", batches)
    series = values["ebpf_solo_io_counter_exits"]
    assert sum(series.values()) == KEYS
    assert series == {
        (f"a{name}", str(code)): sum(1 for p in range(KEYS) if (p % 3, p % 2) == (name, code))
        for name in range(3)
        for code in range(2)
    }
    assert "beepy_metric_overflowed" not in values


def entries(states: int) -> Batch:
    return snapshot(
        BYTES,
        [(struct.pack("<II", pid, pid % states), struct.pack("<Q", pid)) for pid in range(KEYS)],
    )


def test_entries_of_many_pids_are_summed_by_state() -> None:
    values = samples(BYTES, "bytes=state", tables=[entries(5)])
    assert values["ebpf_solo_io_counter_bytes"] == {
        (str(state),): sum(range(state, KEYS, 5)) for state in range(5)
    }


def test_sums_stay_exact_when_there_is_no_room_for_another_series() -> None:
    """The fifth state is 'other'; entries of the first four still count where they belong."""
    values = samples(BYTES, "bytes=state", tables=[entries(5)], max_series=4)
    series = values["ebpf_solo_io_counter_bytes"]
    assert series == {
        **{(str(state),): sum(range(state, KEYS, 5)) for state in range(4)},
        ("other",): sum(range(4, KEYS, 5)),
    }
    assert values["beepy_metric_overflowed"] == {("ebpf_solo_io_counter_bytes",): 1}


@pytest.mark.soak
def test_memory_is_bounded_whatever_keys_come() -> None:
    """Each event has another name: all but ``max_series`` of them count as 'other', exactly."""
    decoder = Decoder(EXITS)
    sink = Prometheus(
        "127.0.0.1",
        0,
        read_tables=lambda _: iter(()),
        labels=labels_of(["exits=comm,exit_code"], [decoder], {}),
        stats=RunStats([EXITS]),
        max_series=1000,
    )
    held = []
    count = times(10_000)
    try:
        sink.open([decoder])
        tracemalloc.start()
        for start in range(0, count, 2000):
            records = [Exits.record(b"n%d" % at, at, at % 7) for at in range(start, start + 2000)]
            sink.write(ring(EXITS, records))
            b"".join(sink.page())
            held.append(tracemalloc.get_traced_memory()[0])
        page = b"".join(sink.page()).decode()
    finally:
        tracemalloc.stop()
        sink.close()
    assert max(held) - held[0] < 1 << 20
    (family,) = [
        f for f in text_string_to_metric_families(page) if f.name == "ebpf_solo_io_counter_exits"
    ]
    assert len(family.samples) == 1001
    assert sum([sample.value for sample in family.samples]) == count


def test_all_fields_are_labels_otherwise() -> None:
    batch = ring(EXITS, [Exits.record(b"a", 1), Exits.record(b"a", 2)])
    values = samples(EXITS, "", [batch], max_series=1)
    assert len(values["ebpf_solo_io_counter_exits"]) == 2
    assert values["beepy_metric_overflowed"] == {("ebpf_solo_io_counter_exits",): 1}


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ("comm", "expected MAP=FIELD,FIELD"),
        ("exits=com", "no field 'com' in counter_exits: did you mean comm?"),
        ("x=comm", "no map 'x': there are counter_exits, counter_bytes, print_exits"),
        ("bytes=value", "field 'value' is not a label of it"),
        ("print_exits=comm", "map 'print_exits' has no metric of which labels are chosen"),
    ],
)
def test_what_is_no_label_is_refused(labels: str, why: str) -> None:
    decoders = [Decoder(schema) for schema in (EXITS, BYTES, Exits().schema)]
    with pytest.raises(UsageError) as error:
        labels_of([labels], decoders, {})
    assert str(error.value) == f"--labels '{labels}': {why}"


def test_a_map_is_named_once() -> None:
    with pytest.raises(UsageError, match="map 'counter_exits' is named twice"):
        labels_of(["exits=comm", "counter_exits=pid"], [Decoder(EXITS)], {})


def test_labels_are_checked_without_maps() -> None:
    with pytest.raises(UsageError, match="expected MAP=FIELD"):
        metric_options.check([], [], ["comm"])
