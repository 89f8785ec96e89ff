"""Check that produced = shown + lost, exactly, with rings and perf buffers that overflow.

The program counts what it produces. Producers run at full speed while the reader is stopped and
continued at random. 20 runs, 1,000 in ``make soak``.
"""

import ctypes
import fcntl
import json
import os
import random
import re
import signal
import threading
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path

import pytest

from beepy import readers
from beepy.collection.load import load
from beepy.collection.losses import Losses
from beepy.maps.counted import CountedReader
from beepy.maps.perfbuf import PerfReader
from beepy.obj.map_sizes import apply_all
from beepy.obj.spec import CollectionSpec
from beepy.source import parse
from beepy.streams import stream
from tests import soak
from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy, Done, Running
from tests.support.trigger import OURS, named

pytestmark = [pytest.mark.kernel, pytest.mark.soak]

RUNS = soak.times(20)
CPUS = sorted(os.sched_getaffinity(0))
BURST = 2000
LIBC = ctypes.CDLL(None)
PERF_EVENT_IOC_DISABLE = 0x2401

SOURCE = f"""
#include "test/trigger.h"

struct event {{
	u64 number;
	u64 filling[FILLING];
}};

struct {{
	__uint(type, BUFFER);
#ifdef BYTES
	__uint(max_entries, BYTES);
#endif
	__type(value, struct event);
}} print_events SEC(".maps");

struct {{
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
}} gauge_produced SEC(".maps");

static long produce(u32 index, struct trace_event_raw_sys_enter **ctx)
{{
	struct event event = {{ .number = index }};
	u32 zero = 0;
	u64 *produced = bpf_map_lookup_elem(&gauge_produced, &zero);

	if (!produced)
		return 1;
	__sync_fetch_and_add(produced, 1);
	SEND;
	return 0;
}}

TRIGGER_SEC
int send(struct trace_event_raw_sys_enter *ctx)
{{
	if (triggered(ctx))
		bpf_loop({BURST}, produce, &ctx, 0);
	return 0;
}}

char LICENSE[] SEC("license") = "GPL";
"""
RESERVE = """do {
	struct event *sent = bpf_ringbuf_reserve(&print_events, sizeof(event), 0);

	if (!sent)
		break;
	*sent = event;
	bpf_ringbuf_submit(sent, 0);
} while (0)"""
DYNPTR = """do {
	struct bpf_dynptr record;

	if (!bpf_ringbuf_reserve_dynptr(&print_events, sizeof(event), 0, &record))
		bpf_dynptr_write(&record, 0, &event, sizeof(event), 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
} while (0)"""
OUTPUT = "bpf_ringbuf_output(&print_events, &event, sizeof(event), 0)"
PERF = "bpf_perf_event_output(*ctx, &print_events, BPF_F_CURRENT_CPU, &event, sizeof(event))"


def source(send: str, buffer: str, filling: int, size: int = 0) -> str:
    lines = [f"#define SEND {send}".replace("\n", " \\\n"), f"#define FILLING {filling}"]
    lines.append(f"#define BUFFER BPF_MAP_TYPE_{buffer}")
    if size:
        lines.append(f"#define BYTES {size}")
    return "\n".join([*lines, SOURCE])


SOURCES = {
    "reserve in 4 KB": source(RESERVE, "RINGBUF", 1, 4096),
    "reserve in 64 KB": source(RESERVE, "RINGBUF", 4, 1 << 16),
    "reserve in 1 MB": source(RESERVE, "RINGBUF", 1, 1 << 20),
    "dynptr in 16 KB": source(DYNPTR, "RINGBUF", 2, 1 << 14),
    "output in 8 KB": source(OUTPUT, "RINGBUF", 3, 1 << 13),
    "perf buffer": source(PERF, "PERF_EVENT_ARRAY", 20),
}


def produce(bursts: int, cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})  # of this thread
    for _ in range(bursts):
        LIBC.prctl(OURS, 0, 0, 0, 0)


def disturb(running: Running, dice: random.Random, ended: threading.Event) -> None:
    """Stop the reader and continue it at random."""
    while not ended.is_set():
        running.process.send_signal(signal.SIGSTOP)
        ended.wait(dice.random() / 50)
        running.process.send_signal(signal.SIGCONT)
        ended.wait(dice.random() / 50)


def run(beepy: Beepy, path: str, dice: random.Random, *options: str) -> Done:
    with beepy.start(
        *("-v", "run", path, "-o", "json", "--interval", "1h", "--no-metrics", "--zero"), *options
    ) as running:
        running.until_attached()
        ended = threading.Event()
        threads = [
            threading.Thread(target=produce, args=(dice.choice([1, 20, 100]), cpu)) for cpu in CPUS
        ]
        disturber = threading.Thread(target=disturb, args=(running, dice, ended))
        for thread in (*threads, disturber):
            thread.start()
        for thread in threads:
            thread.join()
        ended.set()
        disturber.join()
        running.process.send_signal(signal.SIGCONT)
        return running.end()


def counts(done: Done) -> tuple[int, int, int]:
    """Return the events that were produced, shown, and lost."""
    rows = [json.loads(line) for line in done.out.splitlines()]
    (produced,) = [row["value"] for row in rows if row["map"] == "gauge_produced"]
    shown = sum(row["map"] == "print_events" for row in rows)
    closing = re.search(
        r"^beepy: (\d+) shown, 0 filtered, (\d+) lost(?: \(print_events\))?, \d",
        done.err,
        re.MULTILINE,
    )
    assert closing, done.err
    assert int(closing[1]) == len(rows), done.err
    return produced, shown, int(closing[2])


@pytest.mark.parametrize(("seed", "kind"), [*zip(range(RUNS), cycle(SOURCES), strict=False)])
def test_produced(seed: int, kind: str, compiled: ObjectOf, beepy: Beepy) -> None:
    dice = random.Random(f"{kind} {seed}")
    done = run(beepy, compiled(SOURCES[kind]), dice)
    produced, shown, lost = counts(done)
    assert produced > 0
    assert shown + lost == produced, done.err
    assert "kernel reports" not in done.err
    suggested = re.search(r"^note: print_events: records did not fit .*", done.err, re.MULTILINE)
    assert bool(suggested) == (lost > 0 and kind != "perf buffer"), done.err


def test_after_losses_a_size_is_suggested(compiled: ObjectOf, beepy: Beepy) -> None:
    """All records are lost in one interval: the reader is stopped."""
    path = compiled(SOURCES["reserve in 64 KB"])
    with beepy.start(
        *("-v", "run", path, "-o", "none", "--interval", "1h", "--no-metrics")
    ) as running:
        running.until_attached()
        running.process.send_signal(signal.SIGSTOP)
        produce(1, CPUS[0])
        running.process.send_signal(signal.SIGCONT)
        done = running.end()
    size = (8 + 5 * 8) * BURST  # with headers
    assert 1 << 16 < size < 1 << 17
    assert (
        "note: print_events: records did not fit 64K: try --map-size print_events=128K" in done.said
    )
    (used,) = re.findall(r"info: map 'print_events': at most (\d+) of 65536 bytes in use", done.err)
    assert int(used) > (1 << 16) - 48


def parsed(path: str) -> CollectionSpec:
    return parse(Path(path).read_bytes(), name="counted")


def test_a_table_may_have_another_name_where_it_is_shown(compiled: ObjectOf) -> None:
    spec = parsed(compiled('#include "test/counter_hash.bpf.c"'))
    (tracked,) = spec.tracked
    spec = spec._replace(tracked=(tracked._replace(shown_as="calls"),))
    (spec,) = apply_all([spec], {"calls": 2})
    with load(spec, count_losses=True) as collection, stream(collection) as source:
        source.open()
        for name in (b"a", b"b", b"c", b"d", b"c"):
            with named(name):
                LIBC.prctl(OURS, 0, 1, 0, 0)
        source.stop()
        batches = list(source)
    assert [(batch.schema.map, batch.records) for batch in batches] == [("calls", 2)]
    assert {schema.map: lost for schema, lost in source.stats.lost.items()} == {"calls": 3}


def test_what_a_cpu_without_a_ring_sends_is_counted(
    compiled: ObjectOf, caplog: pytest.LogCaptureFixture
) -> None:
    """Stop an event as the kernel does for a CPU that goes offline; tests/vm takes one offline."""
    spec = parsed(compiled('#include "test/perfbuf.bpf.c"'))
    with ExitStack() as undo:
        collection = undo.enter_context(load(spec, count_losses=True))
        losses = undo.enter_context(closing(Losses(collection)))
        undo.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {CPUS[0]})
        (reader,) = readers.of(collection, losses)
        assert isinstance(reader, CountedReader)
        perf_reader = reader._reader
        assert isinstance(perf_reader, PerfReader)
        with closing(reader):
            collection.attach()
            LIBC.prctl(OURS, 3, 1, 0, 0)
            (ring,) = [ring for ring in perf_reader._rings if ring.cpu == CPUS[0]]
            fcntl.ioctl(ring.event.fileno(), PERF_EVENT_IOC_DISABLE)
            LIBC.prctl(OURS, 4, 1, 0, 0)
            batches = list(reader.end())
            assert sum([batch.records for batch in batches]) == 3
            assert sum([batch.lost or 0 for batch in batches]) == 4
            assert None not in [batch.lost for batch in batches]
            LIBC.prctl(OURS, 5, 1, 0, 0)
            assert [(batch.records, batch.lost) for batch in reader.end()] == [(5, 0)]
    assert [message.partition(": CPU ")[0] for message in caplog.messages] == [
        "map 'print_events'"
    ] * 2


def test_without_the_counter_a_ring_does_not_know(compiled: ObjectOf, beepy: Beepy) -> None:
    done = run(beepy, compiled(SOURCES["reserve in 4 KB"]), random.Random(1), "--no-rewrite")
    assert "lost unknown (print_events)" in done.said[-1]
