"""The YAML of ebpf_exporter: what is read of it, and what is refused in one line."""

import pytest

from beepy.conventions.exporter.config import read
from beepy.errors import UnsupportedImage
from beepy.obj.exporter import Buckets, CgroupIds, Label, Scale, Step

COUNTER = """
metrics:
  counters:
    - name: calls_total
      help: Calls
      labels:
        - name: op
          size: 4
          decoders:
            - name: uint
"""
HISTOGRAM = """
metrics:
  histograms:
    - name: latency
      help: Times
      bucket_type: TYPE
      bucket_min: 0
      bucket_max: 3
      bucket_multiplier: 0.5
      labels:
        - {name: bucket, size: 4, decoders: [{name: uint}]}
"""


def refusal(text: str) -> str:
    with pytest.raises(UnsupportedImage) as caught:
        read(text.encode(), "pair", "./pair.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_counter() -> None:
    config = read(COUNTER.encode(), "pair", "./pair.yaml")
    (metric,) = config.metrics
    assert (metric.map, metric.is_stream, config.spans) == ("calls_total", False, ())
    assert metric.plan.name == "ebpf_exporter_calls_total"
    assert (metric.plan.config, metric.plan.help, metric.plan.buckets) == ("pair", "Calls", None)
    assert metric.plan.labels == (Label("op", 4, 0, (Step("uint"),)),)
    assert (config.needs.name, config.needs.kaddrs, config.needs.cgroup_ids) == ("pair", (), None)


def test_decoders_with_their_options() -> None:
    text = COUNTER + (
        "            - name: static_map\n"
        "              static_map: {0: zero, 0x10: hex, x: 'yes'}\n"
        "              allow_unknown: true\n"
        "            - {name: regexp, regexps: ['^a', b]}\n"
    )
    (metric,) = read(text.encode(), "pair", "x").metrics
    assert metric.plan.labels[0].steps == (
        Step("uint"),
        Step("static_map", (("0", "zero"), ("0x10", "hex"), ("x", "yes")), None, True),
        Step("regexp", None, ("^a", "b")),
    )


@pytest.mark.parametrize(
    ("scale", "bounds"),
    [
        ("exp2", (0.5, 1.0, 2.0, 4.0)),
        ("exp2zero", (0.0, 0.5, 1.0, 2.0)),
        ("linear", (0.0, 0.5, 1.0, 1.5)),
    ],
)
def test_buckets(scale: str, bounds: tuple[float, ...]) -> None:
    (metric,) = read(HISTOGRAM.replace("TYPE", scale).encode(), "pair", "x").metrics
    assert metric.plan.buckets == Buckets(Scale(scale), (0.0, 1.0, 2.0, 3.0), bounds, 4.0, 0.5)


def test_fixed_buckets() -> None:
    text = HISTOGRAM.replace("TYPE", "fixed").replace("bucket_min: 0", "bucket_keys: [1, 5, 10]")
    (metric,) = read(text.encode(), "pair", "x").metrics
    assert metric.plan.buckets == Buckets(Scale.FIXED, (1, 5, 10), (0.5, 2.5, 5), 11, 0.5)


def test_spans_and_what_is_done_before_programs_run() -> None:
    text = """
tracing:
  spans:
    - ringbuf: ring
      name: a span
      service: x
      labels:
        - {name: cpu.orig, size: 8, padding: 4, decoders: [{name: hex}]}
metrics:
  counters:
    - name: events
      help: Events
      perf_event_array: true
      flush_interval: 1m30s
kaddrs: [vfs_read, vfs_read, jiffies]
cgroup_id_map: {name: ids, type: cgrp_storage, regexps: ['^x$']}
unknown: {key: [is, ignored]}
"""
    config = read(text.encode(), "pair", "x")
    assert [(span.map, span.labels[0].span) for span in config.spans] == [("ring", 12)]
    assert [(metric.is_stream, metric.plan.flush_s) for metric in config.metrics] == [(True, 90.0)]
    assert config.needs.kaddrs == ("vfs_read", "jiffies")
    assert config.needs.cgroup_ids == CgroupIds("ids", ("^x$",), storage=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: uint", "name: uin", "decoder 1: 'uin': unknown: expected cgroup, dname, errno, "),
        ("- name: uint", "- size: 1", "decoder 1: no name: expected cgroup, "),
        ("- name: uint", "- uint", "decoder 1: expected a mapping, got 'uint'"),
        ("- name: uint", "", "label 'op': no decoders"),
        ("size: 4", "size: 3", "label 'op': uint does not decode 3 bytes"),
        ("size: 4", "size: four", "label 'op': size: expected a whole number, got 'four'"),
        ("size: 4", "size: -4", "size: expected a number from 0 to 65536, got '-4'"),
        ("size: 4", "size: 99999999999", "size: expected a number from 0 to 65536, got '9"),
        ("size: 4", "size: [4]", "label 'op': size: expected a whole number, got a list"),
        ("size: 4", "padding: 4", "label 'op': size: missing"),
        ("size: 4", "size: 4\n          padding: x", "padding: expected a whole number, got 'x'"),
        ("name: op", "name: o-p", "label 'o-p': not a label's name"),
        ("name: op", "name: __op", "label '__op': not a label's name"),
        ("name: op", "name: [op]", "label 1: name: expected a text, got a list"),
        ("name: calls_total", "name: a b", "counters 1: name: 'a b': not the name of a metric"),
        ("- name: calls_total", "- x: y", "counters 1: name: missing"),
        ("help: Calls", "x: y", "counter 'calls_total': help: missing"),
        ("help: Calls", "help: {}", "help: expected a text, got a mapping"),
        ("  counters:", "  counters: {}\n  x:", "counters: expected a list, got a mapping"),
        ("metrics:", "metrics: 5\nx:", "metrics: expected a mapping, got '5'"),
        ("metrics:", "x:", "neither metrics nor spans"),
        ("metrics:", "[", "not YAML: line "),
        ("help: Calls", "help: C\n      perf_event_array: maybe", "expected true or false, got 'm"),
        ("help: Calls", "help: C\n      perf_event_array: 1", "expected true or false, got '1'"),
        (
            "help: Calls",
            "help: C\n      perf_event_array: yes\n      flush_interval: soon",
            "flush_interval: expected a duration such as 30s, got 'soon'",
        ),
        ("- name: uint", "- {name: static_map, static_map: [a]}", "static_map: expected a mapping"),
        ("- name: uint", "- {name: static_map, static_map: 3}", "static_map: expected a mapping"),
        (
            "- name: uint",
            "- {name: static_map, static_map: {1: []}}",
            "static_map: 1: expected a t",
        ),
        ("- name: uint", "- name: regexp", "decoder 1: regexps: missing"),
        ("- name: uint", "- {name: regexp, regexps: ['(']}", "regexp '(': missing )"),
        ("- name: uint", "- {name: regexp, regexps: ['(?=a)']}", "regexp '(?=a)': "),
    ],
)
def test_what_is_refused(old: str, new: str, message: str) -> None:
    assert old in COUNTER
    said = refusal(COUNTER.replace(old, new, 1))
    assert said.startswith("./pair.yaml: ")
    assert message in said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("TYPE", "log10", "bucket_type: expected exp2, exp2zero, linear, fixed, got 'log10'"),
        (
            "bucket_type: TYPE",
            "x: y",
            "bucket_type: expected exp2, exp2zero, linear, fixed, got ''",
        ),
        ("bucket_max: 3", "bucket_max: 0", "bucket_min 0, bucket_max 0: must be smaller"),
        ("bucket_max: 3", "bucket_max: -3", "bucket_min 0, bucket_max -3: must be smaller"),
        ("bucket_max: 3", "bucket_max: 1000000000", "bucket_max: expected a number from -1000 to"),
        ("bucket_max: 3", "bucket_max: 3.5", "bucket_max: expected a whole number, got '3.5'"),
        ("multiplier: 0.5", "multiplier: -1", "bucket_multiplier: must not be negative"),
        ("multiplier: 0.5", "multiplier: 1e999", "bucket_multiplier: expected a number"),
        ("multiplier: 0.5", "multiplier: .inf", "bucket_multiplier: expected a number"),
        ("- {name: bucket", "- {name: le", ""),
        (
            "- {name: bucket",
            "- {name: le, size: 1, decoders: [{name: hex}]}\n        - {name: b",
            "label 'le': reserved",
        ),
    ],
)
def test_what_is_refused_of_histograms(old: str, new: str, message: str) -> None:
    text = HISTOGRAM.replace(old, new, 1).replace("TYPE", "exp2")
    if not message:  # the label of the bucket may have any name
        assert read(text.encode(), "pair", "x").metrics
        return
    assert message in refusal(text)


def test_what_is_refused_of_linear_and_fixed_buckets() -> None:
    linear = HISTOGRAM.replace("TYPE", "linear").replace("bucket_max: 3", "bucket_max: 5000")
    assert "at most 4096 buckets are possible" in refusal(linear)
    fixed = HISTOGRAM.replace("TYPE", "fixed")
    assert "bucket_keys: no buckets" in refusal(fixed)
    for keys, message in {
        "[2, 1]": "bucket_keys: must increase",
        "[a]": "bucket_keys 1: expected a number, got 'a'",
        "7": "bucket_keys: expected a list, got '7'",
    }.items():
        assert message in refusal(fixed.replace("bucket_min: 0", f"bucket_keys: {keys}"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("kaddrs: vfs_read", "kaddrs: expected a list, got 'vfs_read'"),
        ("kaddrs: ['a b']", "kaddrs: 'a b': not a symbol's name"),
        ("cgroup_id_map: [x]", "cgroup_id_map: expected a mapping, got a list"),
        ("cgroup_id_map: {name: x, type: lru}", "type: expected hash or cgrp_storage, got 'lru'"),
        ("cgroup_id_map: {name: x, regexps: ['[']}", "regexp '[': missing ]"),
        ("tracing: {spans: [{name: x}]}", "spans 1: ringbuf: missing"),
        ("tracing: {spans: [{ringbuf: x}]}", "spans 1: labels: missing"),
        ("tracing: {spans: 5}", "spans: expected a list, got '5'"),
    ],
)
def test_what_is_refused_of_spans_and_kaddrs(more: str, message: str) -> None:
    assert message in refusal(f"{COUNTER}{more}\n")


def test_the_number_of_regular_expressions_is_bounded() -> None:
    label = "        - {name: l%d, size: 1, decoders: [{name: regexp, regexps: [%s]}]}\n"
    labels = "".join([label % (number, ", ".join(["a"] * 250)) for number in range(2)])
    assert "500 regexps, at most 256 are used" in refusal(COUNTER + labels)
