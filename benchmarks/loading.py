"""Load objects with many relocations by beepy and by libbpf: ``python -m benchmarks.loading``.

Each load is a process of its own, which measures the time from the opened file to the last loaded
program. In that time libbpf reads all of the kernel's types, beepy only those that relocations
name. The largest object is compiled here: it has CO-RE relocations for all fields of the kernel's
largest structs. On a busy machine, compare the CPU times.
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import Kind
from beepy.collection.load import load
from beepy.kernel import btf as kernel_btf
from beepy.source import parse
from benchmarks._peers import ROOT, clean_environment, compile_c, tool
from benchmarks._report import limit, machine, medians, table
from tests.oracle import embedded

MAX_RATIO: Final = 3.0  # times libbpf's time
LINES: Final = 5600  # three of four have a CO-RE relocation
PROGRAM_LINES: Final = 200
STRUCTS: Final = (
    "task_struct",
    "net_device",
    "sk_buff",
    "mm_struct",
    "tcp_sock",
    "super_block",
    "inode",
    "bio",
)

PROGRAM: Final = """
SEC("raw_tp/sys_enter")
int read_{number}(void *ctx)
{{
{lines}
	return 0;
}}
"""
OBJECT: Final = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define READ(type, member) {{ \\
	struct type *at = (void *)bpf_get_current_task(); \\
	bpf_core_read(&sink, sizeof(at->member), &at->member); }}
#define KNOW(type, member, what) sink += bpf_core_field_##what(struct type, member)

__u64 sink;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
{structs}
#pragma clang attribute pop
{programs}
char LICENSE[] SEC("license") = "GPL";
"""
FLAGS: Final = ("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I/usr/include/x86_64-linux-gnu", "-c")


class ObjectCounts(NamedTuple):
    """An object: its name, file, and numbers of instructions and relocations (CO-RE, others)."""

    name: str
    path: Path
    insns: int
    core: int
    others: int


def count_object(name: str, path: Path) -> ObjectCounts:
    """Return the numbers of an object."""
    programs = parse(path.read_bytes()).programs
    insns, core, others = (
        sum([len(part) for part in parts])
        for parts in zip(
            *[(program.insns, program.core, program.refs) for program in programs], strict=True
        )
    )
    return ObjectCounts(name, path, insns, core, others)


def compile_object(directory: Path) -> Path:
    """Compile the object of LINES; return its file."""
    structs, lines = [], []
    kernel = kernel_btf.vmlinux()
    for name in STRUCTS:
        members = dict(_members(kernel, name))
        body = "".join([f"\t{declared.format(member)};\n" for member, declared in members.items()])
        structs.append(f"struct {name} {{\n{body}}};\n")
        for member in members:
            infos = [f"KNOW({name}, {member}, {info})" for info in ("exists", "size", "offset")]
            lines += [f"\t{statement};\n" for statement in (f"READ({name}, {member})", *infos)]
    lines = (lines * (LINES // len(lines) + 1))[:LINES]
    programs = [
        PROGRAM.format(
            number=first // PROGRAM_LINES, lines="".join(lines[first : first + PROGRAM_LINES])
        )
        for first in range(0, LINES, PROGRAM_LINES)
    ]
    source, target = directory / "many.bpf.c", directory / "many.o"
    source.write_text(OBJECT.format(structs="\n".join(structs), programs="".join(programs)))
    clang = tool("clang")
    if not clang:
        raise SystemExit("clang: not found")
    subprocess.run([clang, *FLAGS, source, "-o", target], check=True)
    return target


def _members(kernel: Btf, struct: str) -> Iterator[tuple[str, str]]:
    """Yield the integers and pointers of a kernel struct: name and C declaration."""
    type_id = kernel.find(struct, Kind.STRUCT)
    struct_type = kernel.type(type_id) if type_id else None
    for member in struct_type.members if isinstance(struct_type, types.Struct) else ():
        number, kind = skip_mods_and_typedefs(kernel, member.type)
        if member.name and not member.bitfield_size and isinstance(kind, types.Int | types.Ptr):
            yield (
                member.name,
                "void *{}"
                if isinstance(kind, types.Ptr)
                else f"__u{size_of(kernel, number) * 8} {{}}",
            )


class Loader:
    """A program that loads an object and prints the seconds that it took, and the CPU seconds."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._cpu: list[float] = []

    def loads(self, path: Path) -> bool:
        """Return whether it can load an object."""
        return not subprocess.run(
            [*self._command, path], check=False, capture_output=True, cwd=ROOT
        ).returncode

    def run(self, path: Path) -> float:
        """Load an object; return the seconds."""
        result = subprocess.run(
            [*self._command, path],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env=clean_environment(),
        )
        seconds, cpu = map(float, result.stdout.split())
        self._cpu.append(cpu)
        return seconds

    def cpu(self) -> float:
        """Return the median CPU seconds of the runs since the last call."""
        cpu, self._cpu = self._cpu, []
        return median(cpu)


def largest_object(directory: Path, peer: Loader) -> Path | None:
    """Return the libbpf-tools object with most relocations that libbpf can load, None if none."""
    if embedded.missing():
        return None
    largest: tuple[int, Path] | None = None
    for embedded_object in embedded.installed():
        path = directory / f"{embedded_object.name}.o"
        path.write_bytes(embedded_object.data)
        counts = count_object(embedded_object.name, path)
        relocations = counts.core + counts.others
        if (largest is None or relocations > largest[0]) and peer.loads(path):
            largest = relocations, path
    return largest[1] if largest else None


def load_once(path: Path) -> None:
    """Load an object as ``beepy run`` does; print the seconds that it took, and the CPU seconds."""
    gc.disable()
    began, cpu = time.perf_counter(), time.process_time()
    with load(parse(path.read_bytes())):
        print(time.perf_counter() - began, time.process_time() - cpu)


def compare(
    counts: ObjectCounts, peer: Loader, ours: Loader, rounds: int
) -> tuple[list[str], float]:
    """Load an object by both; return a row of the table, and the ratio of the times."""
    cases = {"libbpf": partial(peer.run, counts.path), "beepy": partial(ours.run, counts.path)}
    medians(cases, 1)
    taken = medians(cases, rounds)
    cpu = peer.cpu(), ours.cpu()
    numbers = [f"{seconds * 1e3:.1f}" for seconds in (*taken.values(), *cpu)]
    ratio = taken["beepy"] / taken["libbpf"]
    relocations = f"{counts.core} + {counts.others}"
    return [
        counts.name,
        str(counts.insns),
        relocations,
        *numbers,
        f"{ratio:.2f}",
        f"{cpu[1] / cpu[0]:.2f}",
    ], ratio


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="time to load objects of many relocations")
    parser.add_argument("--rounds", type=int, default=11, help="default: %(default)s")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        load_once(options.once)
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        peer = Loader([str(compile_c("loader.c", directory / "loader", "bpf"))])
        ours = Loader([sys.executable, "-m", "benchmarks.loading", "--once"])
        objects = [count_object("made here", compile_object(directory))]
        if largest := largest_object(directory, peer):
            objects.append(count_object(f"{largest.stem} of libbpf-tools", largest))
        rows = {counts.name: compare(counts, peer, ours, options.rounds) for counts in objects}
    print(f"load of an object, medians of {options.rounds} interleaved rounds; {machine()}")
    columns = ("libbpf ms", "beepy ms", "libbpf CPU", "beepy CPU", "beepy/libbpf", "CPU")
    table(("", "instructions", "relocations", *columns), [row for row, _ in rows.values()])
    for name, (_, ratio) in rows.items():
        limit(f"beepy's time to libbpf's, {name}", ratio, MAX_RATIO)


if __name__ == "__main__":
    main()
