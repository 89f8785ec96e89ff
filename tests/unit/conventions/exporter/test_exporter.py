"""What ebpf_exporter's YAML makes of the maps and programs of an object."""

import struct

import pytest

from beepy import conventions
from beepy.errors import UnsupportedImage
from beepy.events.decoder import Decoder
from beepy.events.schemas import of_tracked
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec, Role
from beepy.uapi import MapType
from tests.support.events import ring, snapshot
from tests.support.specs import spec

YAML = """
metrics:
  counters:
    - name: calls
      help: Calls
      labels:
        - {name: op, size: 2, padding: 2,
           decoders: [{name: uint}, {name: static_map, static_map: {1: read, 02: x, y: z}}]}
        - {name: ip, size: 4, decoders: [{name: inet_ip}]}
        - {name: comm, size: 8, decoders: [{name: string}]}
    - {name: total, help: All}
    - name: percpu
      help: By CPU
      labels: [{name: cpu, size: 2, decoders: [{name: uint}]}]
    - name: events
      help: Events
      perf_event_array: true
      labels: [{name: code, size: 8, decoders: [{name: hex}]}]
  histograms:
    - name: times
      help: Times
      bucket_type: exp2
      bucket_max: 3
      labels: [{name: bucket, size: 4, decoders: [{name: uint}]}]
tracing:
  spans:
    - ringbuf: spans
      labels:
        - {name: cpu.orig, size: 4, decoders: [{name: uint}]}
        - {name: id, size: 8, decoders: [{name: hex}]}
kaddrs: [jiffies]
"""
MAPS = (
    MapSpec("times", ".maps", MapType.HASH, 4, 8, 16),
    MapSpec("calls", ".maps", MapType.HASH, 16, 8, 16),
    MapSpec("total", ".maps", MapType.ARRAY, 4, 8, 1),
    MapSpec("percpu", ".maps", MapType.PERCPU_ARRAY, 4, 8, 1),
    MapSpec("events", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4),
    MapSpec("spans", ".maps", MapType.RINGBUF, 0, 0, 4096),
    MapSpec("other", ".maps", MapType.HASH, 4, 4, 16),
)


def applied(*maps: MapSpec, text: str = YAML, programs: tuple[str, ...] = ()) -> CollectionSpec:
    given = spec(*maps)._replace(
        name="./pair.yaml",
        programs=tuple([ProgramSpec("p", s, (), (), (), (), (), ()) for s in programs]),
    )
    hints = {"config": text.encode(), "name": b"pair"}
    return conventions.apply(given, "exporter", hints)


def decoder(found: CollectionSpec, name: str) -> Decoder:
    (tracked,) = [tracked for tracked in found.tracked if tracked.map == name]
    return Decoder(of_tracked(found, tracked, cpus=2 if name == "percpu" else 0))


def test_maps_and_their_plans() -> None:
    found = applied(*MAPS)
    assert found.convention == "ebpf_exporter"
    assert found.not_shown == ()
    assert [(t.map, t.role, [plan.name for plan in t.metrics]) for t in found.tracked] == [
        ("times", None, ["ebpf_exporter_times"]),
        ("calls", None, ["ebpf_exporter_calls"]),
        ("total", None, ["ebpf_exporter_total"]),
        ("percpu", None, ["ebpf_exporter_percpu"]),
        ("events", Role.COUNTER, ["ebpf_exporter_events"]),
        ("spans", None, []),
    ]
    assert [plan.percpu for t in found.tracked for plan in t.metrics] == [False] * 3 + [True, False]
    assert found.exporter
    assert (found.exporter.name, found.exporter.kaddrs) == ("pair", ("jiffies",))


def test_rows_are_cut_by_the_labels() -> None:
    """The object has no types at all."""
    found = applied(*MAPS)
    calls = decoder(found, "calls")
    assert [field.name for field in calls.fields] == ["op", "ip", "comm", "value"]
    keys = [struct.pack("<HH4B8s", op, 9, 10, 0, 0, 1, b"cat") for op in (1, 2)]
    batch = snapshot(calls.schema, [(key, struct.pack("<Q", 7)) for key in keys])
    assert calls.values(batch, calls.fields) == [
        ["read", 2],
        ["10.0.0.1"] * 2,
        ["cat"] * 2,
        [7, 7],
    ]
    spans = decoder(found, "spans")
    records = ring(spans.schema, [struct.pack("<IQ", 3, 1)])
    assert [field.name for field in spans.fields] == ["cpu.orig", "id"]
    assert spans.values(records, spans.fields) == [[3], ["0100000000000000"]]
    assert [field.name for field in decoder(found, "total").fields] == ["value"]
    percpu = decoder(found, "percpu")
    entries = snapshot(percpu.schema, [(bytes(4), struct.pack("<QQ", 3, 4))])
    assert percpu.values(entries, percpu.fields) == [[7]]


@pytest.mark.parametrize(
    ("section", "changed", "target"),
    [
        ("xdp/lo", "xdp", "lo"),
        ("xdp/cpumap", "xdp/cpumap", ""),
        ("perf_event/type=1,config=0,frequency=9", "perf_event", "type=1,config=0,frequency=9"),
        ("raw_tp/sched_switch", "raw_tp/sched_switch", ""),
    ],
)
def test_targets_that_libbpf_does_not_know(section: str, changed: str, target: str) -> None:
    (program,) = applied(*MAPS, programs=(section,)).programs
    assert (program.section, program.attach_to) == (changed, target)


def replaced(name: str, **changes: object) -> tuple[MapSpec, ...]:
    return tuple([m._replace(**changes) if m.name == name else m for m in MAPS])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (MAPS[1:], "map 'times': not in the object"),
        (replaced("calls", key_size=12), "map 'calls': labels of 16 bytes: its keys have 12"),
        (replaced("total", key_size=8), "map 'total': labels of 0 bytes: its keys have 8"),
        (replaced("percpu", key_size=8), "map 'percpu': labels of 0 bytes: its keys have 8"),
        (replaced("calls", value_size=4), "map 'calls': values of 4 bytes, expected 8"),
        (replaced("calls", type=MapType.RINGBUF), "perf_event_array: not what the map is"),
        (replaced("events", type=MapType.RINGBUF), "map 'events': not a perf_event_array"),
        (replaced("spans", type=MapType.HASH), "map 'spans': not a ringbuf"),
    ],
)
def test_maps_that_do_not_fit(maps: tuple[MapSpec, ...], message: str) -> None:
    with pytest.raises(UnsupportedImage) as caught:
        applied(*maps)
    assert str(caught.value).startswith("./pair.yaml: ")
    assert message in str(caught.value)


def test_the_number_of_the_cpu_has_two_bytes() -> None:
    text = YAML.replace("{name: cpu, size: 2", "{name: cpu, size: 4")
    with pytest.raises(UnsupportedImage, match="label 'cpu': 4 bytes, expected 2"):
        applied(*MAPS, text=text)


@pytest.mark.parametrize(
    ("kind", "map_spec", "message"),
    [
        ("hash", MapSpec("ids", ".maps", MapType.LRU_HASH, 8, 8, 16), ""),
        ("cgrp_storage", MapSpec("ids", ".maps", MapType.CGRP_STORAGE, 4, 8), ""),
        ("hash", MapSpec("ids", ".maps", MapType.HASH, 4, 8, 16), "keys of 4 and values of 8 byte"),
        ("hash", MapSpec("x", ".maps", MapType.HASH, 8, 8, 16), "'ids': not in the object"),
        ("cgrp_storage", MapSpec("ids", ".maps", MapType.HASH, 4, 8, 16), "the map is a hash"),
    ],
)
def test_maps_of_cgroups(kind: str, map_spec: MapSpec, message: str) -> None:
    text = f"{YAML}cgroup_id_map: {{name: ids, type: {kind}, regexps: [a]}}\n"
    if message:
        with pytest.raises(UnsupportedImage, match=message):
            applied(*MAPS, map_spec, text=text)
    else:
        assert applied(*MAPS, map_spec, text=text).exporter


def test_an_image_without_its_yaml_is_refused() -> None:
    with pytest.raises(UnsupportedImage, match="neither metrics nor spans"):
        conventions.apply(spec(*MAPS), "exporter")
