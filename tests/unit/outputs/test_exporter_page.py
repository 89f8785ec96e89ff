"""The part of the metrics page for images of ebpf_exporter."""

import logging
import struct

import pytest

from beepy.btf.writer import BtfWriter
from beepy.conventions.exporter.config import read
from beepy.events.batch import Schema
from beepy.events.costs import ProgramState
from beepy.events.decoder import Decoder
from beepy.events.metrics import decide
from beepy.outputs.exporter_page import Exporter, ExporterPage
from tests.support.events import entries_of, ring, stream, table
from tests.unit.events.test_label_decoders import NAMES

YAML = b"""
metrics:
  counters:
    - name: calls
      help: Calls
      labels: [{name: op, size: 4, decoders: [{name: errno}]}]
    - name: events
      help: Events
      perf_event_array: true
      labels: [{name: op, size: 4, decoders: [{name: uint}]}]
"""
PROGRAMS = (
    ProgramState("./pair.yaml", "first", "0123456789abcdef", 7, attached=True),
    ProgramState(
        "./pair.yaml", "second", "11", 8, attached=False, run_time_ns=1_500_000_000, run_count=3
    ),
    ProgramState("other", "third", "22", 9, attached=True),
)


def schemas() -> tuple[Schema, Schema]:
    calls, events = read(YAML, "pair", "x").metrics
    writer = BtfWriter()
    key = writer.struct("", 4)
    value = writer.integer("u64", 8, 0)
    return (
        table(writer, key, value, 4, 8, name="calls")._replace(metrics=(calls.plan,)),
        stream(writer, key, "events")._replace(metrics=(events.plan,)),
    )


def page_of(*given: Schema) -> ExporterPage:
    configs = {"./pair.yaml": "pair", "./empty.yaml": "empty"}
    return ExporterPage(given, Exporter(configs, NAMES, lambda: PROGRAMS), 100)


def test_the_page(caplog: pytest.LogCaptureFixture) -> None:
    calls, events = schemas()
    page = page_of(calls, events)
    assert page.tables == (calls,)
    page.write(ring(events, [struct.pack("<I", 5)]))
    page.write(ring(stream(BtfWriter(), 1), [b"another map's"]))
    # errno decodes texts: the metric is left out, and the others are there
    entries = entries_of(calls, [(b"2\0\0\0", struct.pack("<Q", 1))])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            text = b"".join(page.page({calls: [entries]})).decode()
    assert text.splitlines() == [
        "# HELP ebpf_exporter_enabled_configs The set of enabled configs",
        "# TYPE ebpf_exporter_enabled_configs gauge",
        'ebpf_exporter_enabled_configs{name="empty"} 1',
        'ebpf_exporter_enabled_configs{name="pair"} 1',
        "# HELP ebpf_exporter_decoder_errors_total How many times has decoders encountered errors",
        "# TYPE ebpf_exporter_decoder_errors_total counter",
        'ebpf_exporter_decoder_errors_total{config="empty"} 0',
        'ebpf_exporter_decoder_errors_total{config="pair"} 2',
        "# HELP ebpf_exporter_ebpf_program_info Info about ebpf programs",
        "# TYPE ebpf_exporter_ebpf_program_info gauge",
        (
            'ebpf_exporter_ebpf_program_info{config="pair",id="7",program="first",'
            'tag="0123456789abcdef"} 1'
        ),
        'ebpf_exporter_ebpf_program_info{config="pair",id="8",program="second",tag="11"} 1',
        "# HELP ebpf_exporter_ebpf_program_attached Whether a program is attached",
        "# TYPE ebpf_exporter_ebpf_program_attached gauge",
        'ebpf_exporter_ebpf_program_attached{id="7"} 1',
        'ebpf_exporter_ebpf_program_attached{id="8"} 0',
        (
            "# HELP ebpf_exporter_ebpf_program_run_time_seconds "
            "How long has the program been executing"
        ),
        "# TYPE ebpf_exporter_ebpf_program_run_time_seconds counter",
        'ebpf_exporter_ebpf_program_run_time_seconds{id="8"} 1.5',
        (
            "# HELP ebpf_exporter_ebpf_program_run_count_total "
            "How many times has the program been executed"
        ),
        "# TYPE ebpf_exporter_ebpf_program_run_count_total counter",
        'ebpf_exporter_ebpf_program_run_count_total{id="8"} 3',
        "# HELP ebpf_exporter_events Events",
        "# TYPE ebpf_exporter_events counter",
        'ebpf_exporter_events{op="5"} 1',
    ]
    assert caplog.messages == [
        (
            "metric ebpf_exporter_calls is left out: "
            "errno: a number is expected: decode with uint before it"
        )
    ]


def test_two_maps_have_no_metric_of_one_name() -> None:
    calls, events = schemas()
    again = calls._replace(image="second")
    metrics = decide([Decoder(schema) for schema in (calls, events, again)])
    assert metrics.planned == (calls, events)
    assert metrics.accepted == ()
    assert metrics.warnings == (
        "map 'calls' has no metric: ebpf_exporter_calls is one of map 'calls' of image 'image:1'",
    )
