"""Keep rows by an expression, by a filter, and by jq: ``python -m benchmarks.where``.

Records of exitsnoop with 1,000 different contents, in batches as a ring gives them. jq reads the
JSON lines of the same records from a file: its time is that of its process.
"""

import argparse
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from beepy.analysis import describe
from beepy.events.batch import Batch, Part, Schema
from beepy.events.decoder import Decoder
from beepy.events.filter import Filter
from beepy.events.where import Where
from beepy.oci.lookup import bundled_store
from beepy.outputs.jsonl import JsonLines
from beepy.outputs.row_writer import RowWriter
from beepy.source import parse
from benchmarks._peers import tool
from benchmarks._report import limit, machine, medians, table

RECORDS: Final = 1 << 18
BATCH: Final = 1 << 12  # records
KINDS: Final = 1000
RECORD: Final = struct.Struct("<QQIIIIi16s4x")
MOST_NS: Final = 1000  # of a record: 1,000,000 records/s

EQUAL, FOUND = "--where 'pid == 42'", "--where 'comm ~ \"^ng\"'"
EXPRESSIONS: Final = {
    EQUAL: "pid == 42",
    FOUND: 'comm ~ "^ng"',
    "--where 'pid in (1, 2, 3) and ...'": 'pid in (1, 2, 3) and comm ~ "^ng" or exit_code < 0',
    "--where 'exit_time > start_time'": "exit_time > start_time",
}
FILTERS: Final = {"-f 'pid,^42$'": "pid,^42$", "-f 'comm,^ng'": "comm,^ng"}
JQ: Final = {
    "jq 'select(.pid == 42)'": "select(.pid == 42)",
    "jq 'select(.comm | test(\"^ng\"))'": 'select(.comm | test("^ng"))',
}


def schema_of_exits() -> Schema:
    """Return the schema of exitsnoop's ring buffer."""
    (schema,) = describe.shown(parse(bundled_store().get("exitsnoop")))
    return schema


def batches(schema: Schema) -> list[Batch]:
    """Return all records, with their headers."""
    made = []
    for start in range(0, RECORDS, BATCH):
        raw = b"".join(
            [
                struct.pack("<II", RECORD.size, 0) + record(number % KINDS)
                for number in range(start, start + BATCH)
            ]
        )
        part = Part(raw, RECORD.size + 8, 8)
        made.append(Batch(schema, (part,), BATCH, RECORD.size, time.time_ns()))
    return made


def record(kind: int) -> bytes:
    """Return one of the records."""
    name = b"nginx" if kind % 10 == 0 else b"worker-%d" % (kind % 50)
    return RECORD.pack(kind, kind + 5, kind, kind, 1, 0, kind % 3, name)


def pass_all(apply: Callable[[Batch], Batch], given: Sequence[Batch]) -> float:
    """Return the ns that a record takes."""
    started = time.perf_counter_ns()
    for batch in given:
        apply(batch)
    return (time.perf_counter_ns() - started) / RECORDS


def run_jq(program: str, lines: Path) -> float:
    """Return the ns of CPU that a record takes."""
    before = os.times()
    with lines.open("rb") as source:
        subprocess.run(["jq", "-c", program], stdin=source, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    seconds = after.children_user + after.children_system
    return (seconds - before.children_user - before.children_system) * 1e9 / RECORDS


def write_lines(decoder: Decoder, given: Sequence[Batch], path: Path) -> None:
    """Write the JSON lines of all records."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    sink = JsonLines(RowWriter(fd))
    sink.open([decoder])
    for batch in given:
        sink.write(batch)
    sink.close()
    os.close(fd)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="ns of a record that an expression looks at")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    decoder = Decoder(schema_of_exits())
    given = batches(decoder.schema)
    cases: dict[str, Callable[[], float]] = {
        name: partial(pass_all, Where([text], [decoder]).apply, given)
        for name, text in EXPRESSIONS.items()
    }
    for name, text in FILTERS.items():
        cases[name] = partial(pass_all, Filter([text], [decoder]).apply, given)
    with tempfile.TemporaryDirectory() as directory:
        if tool("jq"):
            lines = Path(directory) / "lines.json"
            write_lines(decoder, given, lines)
            cases |= {name: partial(run_jq, text, lines) for name, text in JQ.items()}
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"{machine()}: {RECORDS:,} records, medians of {rounds} interleaved rounds")
    rows = [
        (name, f"{ns:.0f}", f"{1e9 / ns:,.0f}", f"{ns / taken[EQUAL]:.2f}")
        for name, ns in taken.items()
    ]
    table(("", "ns/record", "records/s", "/ pid == 42"), rows)
    limit("a comparison, ns", taken[EQUAL], MOST_NS)
    limit("a search in a field that repeats, ns", taken[FOUND], MOST_NS)


if __name__ == "__main__":
    main()
