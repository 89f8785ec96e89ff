"""Read a ring buffer by beepy, and by a C program with libbpf: ``python -m benchmarks.ringbuf``.

First every consumer in turn empties a filled ring (16 MiB, records of 56 bytes with 1,000 different
contents). Then a stream counts the records of a producer on another CPU, at increasing rates. At
last a program sends records by BPF_PROG_TEST_RUN: as it is, and as it counts what it loses.
"""

import argparse
import gc
import os
import pty
import shutil
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.events import schemas
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.maps.ringbuf import RingReader
from beepy.obj.spec import Role
from beepy.outputs.columns import Columns
from beepy.outputs.columns.terminal import Terminal
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import RowWriter
from beepy.outputs.series import EventMetric, MetricLabels
from beepy.source import parse
from beepy.streams import Stream
from benchmarks._peers import compile_c
from benchmarks._report import limit, machine, medians, table
from benchmarks._test_run import compiled, run_ns
from bpf import build

RECORDS: Final = 262_000  # of 64 bytes with their headers: almost as many as the ring holds
KINDS: Final = 1000
NO_WAKEUP: Final = 1  # BPF_RB_NO_WAKEUP
REQUEST: Final = struct.Struct("<QIIQQ")  # struct request of generator.bpf.c
RATES: Final = (1_000_000, 2_000_000, 3_000_000)  # records/s
SECONDS: Final = 3
C_READ, C_COUNT, C_JSON = "C: nothing", "C: count", "C: JSON lines, fprintf"
READ, COUNT, VALUES = "beepy: nothing", "beepy: count (metric)", "beepy: columns of values"
COLUMNS, JSON = "beepy: -o columns", "beepy: -o json"
TERMINAL: Final = "beepy: -o columns, terminal"

SENDER: Final = """
struct event {
	u64 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
	__type(value, struct event);
} print_events SEC(".maps");

SEC("xdp")
int reserve(void *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&print_events, sizeof(*event), 0);

	if (!event)
		return XDP_DROP;
	event->number = 1;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return XDP_PASS;
}

SEC("xdp")
int output(void *ctx)
{
	struct event event = {};

	return bpf_ringbuf_output(&print_events, &event, sizeof(event), BPF_RB_NO_WAKEUP) ?
		XDP_DROP : XDP_PASS;
}
"""

Handler = Callable[[Batch], object]


class Consumer:
    """A C program that empties the ring; ``run`` returns its ns per record."""

    def __init__(self, program: Path, mode: str, ring: int) -> None:
        self._process = subprocess.Popen(
            [program, mode, str(ring)],
            pass_fds=[ring],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, records: int) -> float:
        """Let it consume ``records`` records; return ns per record."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{records}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def fill(collection: Collection) -> None:
    """Put RECORDS records into the ring, which must be empty."""
    result = collection.programs["generate"].run(REQUEST.pack(RECORDS, KINDS, NO_WAKEUP, 0, 0))
    if REQUEST.unpack(result.ctx)[3:] != (RECORDS, 0):
        raise SystemExit(f"generator: not all records sent: {REQUEST.unpack(result.ctx)}")


def fill_and_consume(collection: Collection, consume: Callable[[int], float]) -> float:
    """Fill the ring and let ``consume`` empty it; return its ns per record."""
    fill(collection)
    return consume(RECORDS)


def read_ring(reader: RingReader, handle: Handler, records: int) -> float:
    """Pass all batches of the ring to ``handle``; return ns per record."""
    started, seen = time.perf_counter_ns(), 0
    for batch in reader.read():
        handle(batch)
        seen += batch.records
    taken = time.perf_counter_ns() - started
    if seen != records:
        raise SystemExit(f"{seen} records read of {records}")
    return taken / records


def counter_metric(schema: Schema) -> EventMetric:
    """Return the metric of a ``counter_`` ring: all fields are labels."""
    decoder = Decoder(schema)
    names = [field.label for field in decoder.fields]
    labels = MetricLabels(decoder, decoder.fields, names)
    return EventMetric(
        "events", Role.COUNTER, decoder, labels, value=None, bounds=(), max_series=10_000
    )


@contextmanager
def drained_terminal() -> Iterator[int]:
    """Yield the fd of a terminal of 80x24 that another process reads."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with subprocess.Popen(
        ["cat"], stdin=controller, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        os.close(controller)
        try:
            yield terminal
        finally:
            os.close(terminal)  # which ends cat


def consumers(reader: RingReader, sink: int, terminal: int) -> dict[str, Handler]:
    """Return the handlers of batches; ``sink`` and ``terminal`` are fds to write rows to."""
    schema, decoder = reader.schema, Decoder(reader.schema)
    columns, lines = Columns(RowWriter(sink)), JsonLines(RowWriter(sink))
    screen = Columns(RowWriter(terminal), terminal=Terminal(terminal))
    for rows in (columns, screen, lines):
        rows.open([Decoder(schema)])
    return {
        READ: lambda batch: batch,
        COUNT: counter_metric(schema).write,
        VALUES: lambda batch: decoder.values(batch, decoder.fields),
        COLUMNS: columns.write,
        TERMINAL: screen.write,
        JSON: lines.write,
    }


def measure_filled(collection: Collection, schema: Schema, program: Path, rounds: int) -> None:
    """Measure every consumer on a filled ring; print the table and the limits."""
    with ExitStack() as stack:
        ring = collection.maps[schema.map]
        cases: dict[str, Callable[[], float]] = {}
        for name, mode in ((C_READ, "empty"), (C_COUNT, "count"), (C_JSON, "json")):
            consumer = Consumer(program, mode, ring.fd.fileno())
            stack.callback(consumer.close)
            cases[name] = partial(fill_and_consume, collection, consumer.run)
        reader = RingReader(ring, schema)
        stack.callback(reader.close)
        sink = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, sink)
        for name, handle in consumers(
            reader, sink, stack.enter_context(drained_terminal())
        ).items():
            cases[name] = partial(fill_and_consume, collection, partial(read_ring, reader, handle))
        gc.freeze()
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"filled ring, medians of {rounds} interleaved rounds; {machine()}")
    rows = [
        (name, f"{ns:.1f}", f"{ns / taken[C_COUNT]:.2f}", f"{ns / taken[C_JSON]:.2f}")
        for name, ns in taken.items()
    ]
    table(("", "ns/record", "/C count", "/C JSON"), rows)
    limit("counting, to C that counts", taken[COUNT] / taken[C_COUNT], 12)
    limit("columns, to C that counts", taken[VALUES] / taken[C_COUNT], 15)
    limit("JSON lines, to C's fprintf", taken[JSON] / taken[C_JSON], 4)


class Flow(NamedTuple):
    """The records of one producer; ``seconds`` are the producer's, ``cpu`` the reader's seconds."""

    counted: int
    sent: int
    dropped: int
    seconds: float
    cpu: float


def measure_flow(collection: Collection, schema: Schema, program: Path, rate: int) -> Flow:
    """Count the records that a producer on the last CPU sends at ``rate`` in a stream."""
    counter = counter_metric(schema)
    generate = collection.programs["generate"].fd.fileno()
    command = [str(program), str(generate), str(rate), str(SECONDS), str(KINDS)]
    with Stream([RingReader(collection.maps[schema.map], schema)]) as stream:
        before = time.process_time()
        with subprocess.Popen(
            command, pass_fds=[generate], stdout=subprocess.PIPE, text=True
        ) as producer:
            os.sched_setaffinity(producer.pid, {max(os.sched_getaffinity(0))})
            ending = threading.Thread(target=stop_after, args=(stream, producer))
            ending.start()
            for batch in stream:
                counter.write(batch)
            ending.join()
            assert producer.stdout
            sent, dropped, seconds = producer.stdout.read().split()
        cpu = time.process_time() - before
    counted = sum(samples(counter.page()))
    return Flow(counted, int(sent), int(dropped), float(seconds), cpu)


def stop_after(stream: Stream, producer: subprocess.Popen[str]) -> None:
    """Stop a stream when its producer has ended."""
    producer.wait()
    stream.stop()


def samples(page: list[bytes]) -> Iterator[int]:
    """Return the values on a page of metrics."""
    return (int(float(line.rpartition(b" ")[2])) for line in b"".join(page).splitlines())


def measure_flows(collection: Collection, schema: Schema, program: Path) -> None:
    """Measure the stream at every rate; print the table and the limit."""
    measured = {rate: measure_flow(collection, schema, program, rate) for rate in RATES}
    print(f"\nend to end, {SECONDS} s at each rate")
    rows = [
        (
            f"{rate:,}/s",
            f"{(flow.sent + flow.dropped) / flow.seconds:,.0f}",
            f"{flow.counted:,}",
            f"{flow.dropped:,}",
            f"{flow.cpu / flow.counted * 1e9:.0f}",
        )
        for rate, flow in measured.items()
    ]
    table(("", "tried/s", "counted", "lost", "CPU ns/record"), rows)
    for rate, flow in measured.items():
        if flow.counted != flow.sent:
            raise SystemExit(f"{rate}: {flow.sent} sent, {flow.counted} counted")
    limit("records lost at 1,000,000/s", measured[RATES[0]].dropped, 0)


def send(collection: Collection, reader: RingReader, name: str) -> float:
    """Empty the ring, and let a program send records into it; return ns per record."""
    for _ in reader.read():
        pass
    return run_ns(collection.programs[name])


def measure_counting(directory: Path, rounds: int) -> None:
    """Measure what counting losses adds to a record that is sent; print the table and the limit."""
    spec = compiled(directory, SENDER)
    with ExitStack() as stack:
        cases: dict[str, Callable[[], float]] = {}
        for counting in (False, True):
            collection = stack.enter_context(load(spec, count_losses=counting))
            schema = schemas.of_tracked(spec, spec.tracked[0])
            reader = RingReader(collection.maps[schema.map], schema)
            stack.callback(reader.close)
            for name in ("reserve", "output"):
                label = f"{name}, counted" if counting else name
                cases[label] = partial(send, collection, reader, name)
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"\nsending a record, medians of {rounds} interleaved rounds")
    rows = [
        (name, f"{ns:.1f}", f"{ns / taken[name.partition(',')[0]]:.2f}")
        for name, ns in taken.items()
    ]
    table(("", "ns", "/ as it is"), rows)
    limit("a reserve that is counted, ns more", taken["reserve, counted"] - taken["reserve"], 3)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        description="ns a record of ring buffer consumers, and records/s without loss"
    )
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        clang = build.CLANG if shutil.which(build.CLANG) else "clang"
        spec = parse(
            build.objects(directory, clang, ["generator"])["generator"].read_bytes(),
            name="generator",
        )
        with load(spec) as collection:
            schema = schemas.of_tracked(spec, spec.tracked[0])
            measure_filled(
                collection, schema, compile_c("consumer.c", directory / "consumer", "bpf"), rounds
            )
            measure_flows(
                collection, schema, compile_c("producer.c", directory / "producer", "bpf")
            )
        measure_counting(directory, 2 * rounds)


if __name__ == "__main__":
    main()
