"""Images of Inspektor Gadget's format, from sources of our own, on this kernel."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from beepy.host import machine
from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy, Done
from tests.support.gadgets import Layout
from tests.support.scrape import page, until
from tests.support.trigger import trigger

pytestmark = pytest.mark.kernel

SIZE = '\nsize_bytes_total{op="7",otel_scope_name="calls"}'
TRACE = b"""
name: trace
datasources:
  calls:
    annotations: {ebpf.rest.name: payload, ebpf.rest.len: rest_len}
    fields:
      mode: {annotations: {columns.hidden: true}}
      how: {annotations: {json.skip: "true"}}
      number: {annotations: {columns.width: 8, columns.alignment: right}}
params:
  ebpf:
    targ_op: {key: op, defaultValue: "5", description: the operation that is shown}
    verbose: {key: verbose, defaultValue: "false"}
programs:
  sampler:
    perf: {type: software, config: count_sw_cpu_clock, sampleType: sample_raw}
    sampler: {frequency: 49}
"""


@pytest.fixture
def layout(tmp_path: Path, object_of: ObjectOf) -> Layout:
    layout = Layout(tmp_path / "layout")
    for name, metadata, wasm in (("trace", TRACE, b"\0asm"), ("top", b"", b""), ("snap", b"", b"")):
        program = Path(object_of(f"gadget_{name}")).read_bytes()
        layout.gadget(f"x.example/{name}:1", program, metadata, wasm=wasm)
    return layout


def rows(done: Done) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def traced(beepy: Beepy, layout: Layout, *arguments: str, ops: tuple[int, ...] = (5,)) -> Done:
    """Run the stream, cause a call of each operation, and end it."""
    storage = ("--storage", str(layout.path), "--no-metrics")
    with beepy.start("-v", "run", "x.example/trace:1", *storage, *arguments) as running:
        running.until_attached(2)
        for number, op in enumerate(ops):
            trigger(op, number)
        return running.end()


def test_a_streams_numbers_and_their_meanings(beepy: Beepy, layout: Layout) -> None:
    done = traced(beepy, layout, "-o", "json", "--set", "verbose=true")
    (row,) = rows(done)
    assert row.pop("timestamp").endswith("Z")
    del row["time"], row["timestamp_raw"]
    proc = row.pop("proc")
    assert proc["creds"] == {
        "uid": os.getuid(),
        "user": "root",
        "gid": os.getgid(),
        "group": "root",
    }
    assert proc["comm"] == Path("/proc/self/comm").read_text().strip()
    del row["stack_raw"]
    frames = row.pop("stack").split("; ")
    assert frames
    assert {*frames} <= {name for _, _, name in machine.symbols()}
    call_raw = row.pop("call_raw")
    assert (call_raw, row.pop("call")) == (
        157 if os.uname().machine == "x86_64" else 167,
        "SYS_PRCTL",
    )
    assert row == {
        "map": "calls",
        "src": {"addr": "127.0.0.1", "port": 80, "proto_raw": 6, "proto": "TCP", "version": 4},
        "dst": {"addr": "::1", "port": 443, "proto_raw": 17, "proto": "UDP", "version": 6},
        "number": 0,
        "size_raw": 4096,
        "size": "4.1 kB",
        "took_raw": 1500,
        "took": "1.50µs",
        "error_raw": 2,
        "error": "ENOENT",
        "sig_raw": 9,
        "sig": "SIGKILL",
        "flags_raw": 65,
        "flags": "O_WRONLY|O_CREAT",
        "mode_raw": 420,
        "mode": "-rw-r--r--",
        "kind_raw": 1,
        "kind": "accept",
        "how_raw": 5,  # "how" is not in JSON, as gadget.yaml says
        "rest_len": 3,
        "payload": b"abc".hex(),
    }


def test_parameters_and_their_defaults(beepy: Beepy, layout: Layout) -> None:
    assert [row["number"] for row in rows(traced(beepy, layout, "-o", "json", ops=(5, 6)))] == [0]
    done = traced(beepy, layout, "-o", "json", "--set", "op=6", ops=(5, 6))
    assert [row["number"] for row in rows(done)] == [1]
    done = traced(beepy, layout, "-o", "json", "--set", "pid=1")
    assert rows(done) == []


def test_an_unknown_parameter_is_an_error_of_the_user(beepy: Beepy, layout: Layout) -> None:
    done = beepy("run", "x.example/trace:1", "--storage", str(layout.path), "--set", "ops=6")
    assert done.code == 2
    assert "beepy: variable 'ops': not found in x.example/trace:1" in done.said
    assert "note: similar ones: op" in done.said


def test_columns_hide_what_the_types_and_annotations_say(beepy: Beepy, layout: Layout) -> None:
    done = traced(beepy, layout, "-o", "columns")
    header, line = done.out.splitlines()
    assert header.split() == [
        *("time", "comm", "pid", "tid", "uid", "user", "gid", "group", "src", "dst", "number"),
        *("call", "size", "took", "error", "sig", "flags", "kind", "how", "stack", "rest_len"),
        "payload",
    ]
    assert "127.0.0.1:80" in line
    assert "[::1]:443" in line
    number = header.index("number")
    assert header[number - 3 : number] == "   "  # right-aligned in 8 columns
    assert line[number + 5] == "0"


def test_filters_and_derived_fields(beepy: Beepy, layout: Layout) -> None:
    arguments = ("-o", "json", "-f", "calls,src.endpoint,^127.0.0.1:80$", "-f", "calls,kind,accept")
    assert len(rows(traced(beepy, layout, *arguments))) == 1


def test_the_losses_that_programs_count_are_reported(beepy: Beepy, layout: Layout) -> None:
    storage = ("--storage", str(layout.path), "--no-metrics", "-o", "json")
    with beepy.start("-v", "run", "x.example/trace:1", *storage) as running:
        running.until_attached(2)
        running.process.send_signal(19)  # SIGSTOP: nobody reads the ring
        for number in range(100):
            trigger(5, number)
        running.process.send_signal(18)  # SIGCONT
        done = running.end()
    shown = len(rows(done))
    assert 0 < shown < 100
    assert f"{100 - shown} lost" in done.said[-1]


def test_notices(beepy: Beepy, layout: Layout) -> None:
    done = traced(beepy, layout, "-o", "none")
    assert "warning: WASM module: left out: fields and parameters that it adds are missing" in (
        done.said
    )
    described = json.loads(
        beepy("describe", "x.example/trace:1", "--storage", str(layout.path), "-o", "json").out
    )
    assert (described["format"], described["convention"]) == ("gadget", "gadget")
    assert [line.partition(":")[0] for line in described["unsupported"]] == ["WASM module"]
    text = beepy("describe", "x.example/snap:1", "--storage", str(layout.path)).out
    assert "not supported  map 'gadget_sockets': nothing fills it" in text
    assert "\niterator sockets\n  programs     tcp, udp\n  record type  struct socket\n" in text
    assert "    port  u16  2 bytes at 0  record\n" in text


def test_tables_are_emptied_at_each_reading(beepy: Beepy, layout: Layout) -> None:
    storage = ("--storage", str(layout.path), "--no-metrics", "-o", "json", "--interval", "100ms")
    with beepy.start("-v", "run", "x.example/top:1", *storage) as running:
        running.until_attached()
        for number in range(4):
            trigger(7, number)
        running.until(lambda: running.out.count(b'"map": "latencies"') >= 1)
        trigger(7, 100)  # counted from 0 again
        done = running.end()
    found = rows(done)
    counts = [row for row in found if row["map"] == "calls"]
    assert {row["op"] for row in counts} == {7}
    assert sum([row["calls"] for row in counts]) == 5
    assert sum([row["sum_raw"] for row in counts]) == 106
    assert counts[-1]["calls"] == 1
    assert counts[-1]["sum"] == "100 B"
    latencies = [row["latency"] for row in found if row["map"] == "latencies"]
    assert [sum(column) for column in zip(*latencies, strict=True)] == [2, 2, 0, 0, 0, 0, 1, 0]


TOP = b"""
datasources:
  calls:
    fields:
      op: {annotations: {metrics.type: key}}
      calls: {annotations: {metrics.type: counter, metrics.description: calls by operation}}
      sum_raw: {annotations: {metrics.type: counter, metrics.name: size, metrics.unit: By}}
"""


def shown(url: str, line: str) -> str:
    """Return the first page that has the line."""
    return until(lambda: page(url), lambda text: line in text)


@pytest.mark.parametrize("output", ["json", "none"])
def test_metrics(beepy: Beepy, tmp_path: Path, object_of: ObjectOf, output: str) -> None:
    """Of tables that each reading empties: a page shows what all of them found."""
    layout = Layout(tmp_path / "metered")
    layout.gadget("x.example/top:1", Path(object_of("gadget_top")).read_bytes(), TOP)
    storage = ("--storage", str(layout.path), "-o", output, "--interval", "100ms")
    with beepy.start("-v", "run", "x.example/top:1", *storage, "--prom-port", "0") as running:
        running.until_attached()
        url = running.metrics()
        for total in (6, 12):
            for number in range(4):
                trigger(7, number)
            text = shown(url, f"{SIZE} {total}\n")
        done = running.end()
    found = [row["sum_raw"] for row in rows(done) if row["map"] == "calls"]
    assert sum(found) == (12 if output == "json" else 0)
    assert "# HELP calls_total calls by operation\n# TYPE calls_total counter\n" in text
    assert '\ncalls_total{op="7",otel_scope_name="calls"} 8\n' in text
    assert [line for line in text.split("\n") if line.startswith("latency_bucket")][:3] == [
        'latency_bucket{otel_scope_name="latencies",le="1"} 4',
        'latency_bucket{otel_scope_name="latencies",le="3"} 8',
        'latency_bucket{otel_scope_name="latencies",le="7"} 8',
    ]
    told = beepy("describe", "x.example/top:1", "--storage", str(layout.path)).out
    assert (
        "  metric   calls_total{op,otel_scope_name}\n"
        "           size_bytes_total{op,otel_scope_name}\n"
    ) in told


def test_histograms_are_drawn(beepy: Beepy, layout: Layout) -> None:
    storage = ("--storage", str(layout.path), "--no-metrics", "-o", "columns", "--interval", "1h")
    with beepy.start("-v", "run", "x.example/top:1", *storage) as running:
        running.until_attached()
        for number in range(4):
            trigger(7, number)
        done = running.end()
    assert "latencies: 4 events" in done.out
    assert "0 -> 1          : 2        |****" in done.out


def test_iterators_write_structs(beepy: Beepy, layout: Layout) -> None:
    storage = ("--storage", str(layout.path), "--no-metrics", "-o", "json", "--interval", "1h")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        with beepy.start("-v", "run", "x.example/snap:1", *storage) as running:
            running.until_attached(4)
            done = running.end()
        port = server.getsockname()[1]
    found = rows(done)
    assert {row["map"] for row in found} == {"tasks", "sockets"}
    name = Path("/proc/self/comm").read_text().strip()
    assert name in {row["comm"] for row in found if row["map"] == "tasks"}
    sockets = [row for row in found if row["map"] == "sockets"]
    assert port in {row["port"] for row in sockets if not row["udp"]}
    assert any(row["udp"] for row in sockets)
    assert all("__pad" not in row for row in sockets)


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        (b"a: &x [*x]", "gadget.yaml: line 1: alias 'x': no such anchor"),
        (b"datasources: []", "gadget.yaml: datasources: expected a mapping"),
        (b"a" * 300_000, "gadget.yaml: YAML of 300000 bytes, at most 262144 are read"),
        (b"\xff", "gadget.yaml: not YAML: not UTF-8"),
    ],
)
def test_bad_metadata_is_one_line(
    beepy: Beepy, tmp_path: Path, object_of: ObjectOf, metadata: bytes, line: str
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.gadget("x.example/bad:1", Path(object_of("gadget_top")).read_bytes(), metadata)
    done = beepy("run", "x.example/bad:1", "--storage", str(layout.path))
    assert (done.code, done.out) == (1, "")
    (said,) = done.said
    assert said.startswith(f"beepy: x.example/bad:1: {line}")


def test_a_gadget_of_wasm_alone_is_one_line(beepy: Beepy, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.gadget("x.example/wasm:1", None, wasm=b"\0asm")
    done = beepy("run", "x.example/wasm:1", "--storage", str(layout.path))
    assert (done.code, done.out) == (1, "")
    layers = "layers application/vnd.gadget.wasm.program.v1+binary"
    why = f"gadget image without an eBPF program: {layers}"
    assert done.said == [f"beepy: x.example/wasm:1: {why}"]


TAGGED = """
#include "test/gadget.h"
#define TAG(name, text) const int name __attribute__((unused, btf_decl_tag("ig:" text))) = 0
struct event { u32 op; };
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");
const volatile bool wanted = true;
const volatile char which[8] = "prctl";
const struct event *type_of_event __attribute__((unused));
TAG(one, "tracer:calls___events___event");
TAG(two, "param:wanted");
TAG(three, "param:which");
TAG(four, "define:table:{'prctl': 'syscalls/sys_enter_prctl', 'none': program.disabled}");
TAG(five, "assert:allowed:params.wanted && kallsyms.exists('vfs_read')");
SEC("tracepoint/dummy") __attribute__((btf_decl_tag("ig:attach_to:table[params.which]")))
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = { .op = ctx->args[1] };

	if (triggered(ctx))
		bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	return 0;
}
SEC("tracepoint/other") __attribute__((btf_decl_tag("ig:attach_to:kallsyms.first('no_f')")))
int other(void *ctx)
{
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_expressions_of_tags(beepy: Beepy, tmp_path: Path, compiled: ObjectOf) -> None:
    layout = Layout(tmp_path / "tagged")
    metadata = b"programs: {other: {attach_to: gadget_program_disabled}}"
    layout.gadget("x.example/tagged:1", Path(compiled(TAGGED)).read_bytes(), metadata)
    layout.gadget("x.example/first:1", Path(compiled(TAGGED)).read_bytes())
    storage = ("--storage", str(layout.path), "--no-metrics", "-o", "json")
    op = os.getpid()
    with beepy.start("-v", "run", "x.example/tagged:1", *storage) as running:
        running.until_attached()
        trigger(op)
        running.until(lambda: f'"op": {op}'.encode() in running.out)
        running.end()
    for image, options, code, line in (
        ("tagged", ("--wanted", "false"), 2, "'allowed': its condition is not met: params.wanted "),
        ("tagged", ("--which", "x"), 1, "expression of 'enter': 'x': not found: table[params.whi"),
        ("first", (), 1, "kernel symbols no_f: not found in this kernel"),
    ):
        done = beepy("run", f"x.example/{image}:1", *storage, *options)
        assert (done.code, done.out) == (code, "")
        assert line in done.said[-1]
    done = beepy("run", "x.example/tagged:1", *storage, "--which", "none", "--timeout", "1ms")
    assert done.code == 0
    assert "no program" in done.err
    described = json.loads(
        beepy("describe", "x.example/tagged:1", "--check", *storage[:2], "-o", "json").out
    )
    assert described["unsupported"] == []
