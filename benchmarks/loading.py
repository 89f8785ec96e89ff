"""Objects of many relocations, loaded by beepy and by libbpf: ``python -m benchmarks.loading``.

Each load is a process of its own, which tells how long it took from the opened file to the last program in the kernel;
libbpf reads all of the kernel's types in that time, we those that are asked for. The largest object is made here, with
CO-RE relocations for every field of the kernel's largest structs. On a busy machine, compare the times of CPU.
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
from benchmarks._peers import ROOT, clean, compiled, tool
from benchmarks._report import limit, machine, medians, table
from tests.oracle import embedded

MOST: Final = 3.0  # times libbpf's time
LINES: Final = 5600  # three of four are a CO-RE relocation
EACH: Final = 200  # of one program
STRUCTS: Final = ("task_struct", "net_device", "sk_buff", "mm_struct", "tcp_sock", "super_block", "inode", "bio")

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


class Measured(NamedTuple):
    """An object: its name, file, instructions and relocations (CO-RE, others)."""

    name: str
    path: Path
    insns: int
    core: int
    others: int


def measured(name: str, path: Path) -> Measured:
    """Count what an object holds."""
    programs = parse(path.read_bytes()).programs
    insns, core, others = (
        sum([len(part) for part in parts])
        for parts in zip(*[(one.insns, one.core, one.refs) for one in programs], strict=True)
    )
    return Measured(name, path, insns, core, others)


def made(folder: Path) -> Path:
    """Compile the object of LINES."""
    structs, lines = [], []
    kernel = kernel_btf.vmlinux()
    for name in STRUCTS:
        members = dict(_members(kernel, name))
        body = "".join([f"\t{declared.format(member)};\n" for member, declared in members.items()])
        structs.append(f"struct {name} {{\n{body}}};\n")
        for member in members:
            asked = [f"KNOW({name}, {member}, {what})" for what in ("exists", "size", "offset")]
            lines += [f"\t{one};\n" for one in (f"READ({name}, {member})", *asked)]
    lines = (lines * (LINES // len(lines) + 1))[:LINES]
    programs = [
        PROGRAM.format(number=first // EACH, lines="".join(lines[first : first + EACH]))
        for first in range(0, LINES, EACH)
    ]
    source, target = folder / "many.bpf.c", folder / "many.o"
    source.write_text(OBJECT.format(structs="\n".join(structs), programs="".join(programs)))
    clang = tool("clang")
    if not clang:
        raise SystemExit("no clang here")
    subprocess.run([clang, *FLAGS, source, "-o", target], check=True)
    return target


def _members(kernel: Btf, struct: str) -> Iterator[tuple[str, str]]:
    """Yield the integers and pointers that a struct of the kernel's holds, and how C declares them."""
    type_id = kernel.find(struct, Kind.STRUCT)
    found = kernel.type(type_id) if type_id else None
    for member in found.members if isinstance(found, types.Struct) else ():
        number, kind = skip_mods_and_typedefs(kernel, member.type)
        if member.name and not member.bitfield_size and isinstance(kind, types.Int | types.Ptr):
            yield member.name, "void *{}" if isinstance(kind, types.Ptr) else f"__u{size_of(kernel, number) * 8} {{}}"


class Loader:
    """A program that loads the object that it is given, and prints the seconds that this took, and those of CPU."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._cpu: list[float] = []

    def loads(self, path: Path) -> bool:
        """Tell whether it can."""
        return not subprocess.run([*self._command, path], check=False, capture_output=True, cwd=ROOT).returncode

    def run(self, path: Path) -> float:
        """Load; return the seconds."""
        ended = subprocess.run([*self._command, path], check=True, capture_output=True, cwd=ROOT, env=clean())
        seconds, cpu = map(float, ended.stdout.split())
        self._cpu.append(cpu)
        return seconds

    def cpu(self) -> float:
        """Return the median of the seconds of CPU since this was asked for last."""
        cpu, self._cpu = self._cpu, []
        return median(cpu)


def found(folder: Path, peer: Loader) -> Path | None:
    """Return the object of libbpf-tools that has most relocations, among those that libbpf loads here."""
    if embedded.missing():
        return None
    largest: tuple[int, Path] | None = None
    for one in embedded.installed():
        path = folder / f"{one.name}.o"
        path.write_bytes(one.data)
        counted = measured(one.name, path)
        if (largest is None or counted.core + counted.others > largest[0]) and peer.loads(path):
            largest = counted.core + counted.others, path
    return largest[1] if largest else None


def once(path: Path) -> None:
    """Load the object as ``beepy run`` does, and print the seconds that this took, and those of CPU."""
    gc.disable()
    began, cpu = time.perf_counter(), time.process_time()
    with load(parse(path.read_bytes())):
        print(time.perf_counter() - began, time.process_time() - cpu)


def compare(one: Measured, peer: Loader, ours: Loader, rounds: int) -> tuple[list[str], float]:
    """Load an object by both; return a row of the table, and the ratio of the times."""
    cases = {"libbpf": partial(peer.run, one.path), "beepy": partial(ours.run, one.path)}
    medians(cases, 1)
    taken = medians(cases, rounds)
    cpu = peer.cpu(), ours.cpu()
    numbers = [f"{seconds * 1e3:.1f}" for seconds in (*taken.values(), *cpu)]
    ratio = taken["beepy"] / taken["libbpf"]
    holds = f"{one.core} + {one.others}"
    return [one.name, str(one.insns), holds, *numbers, f"{ratio:.2f}", f"{cpu[1] / cpu[0]:.2f}"], ratio


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="time to load objects of many relocations")
    parser.add_argument("--rounds", type=int, default=11, help="default: %(default)s")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        once(options.once)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = Loader([str(compiled("loader.c", folder / "loader", "bpf"))])
        ours = Loader([sys.executable, "-m", "benchmarks.loading", "--once"])
        objects = [measured("made here", made(folder))]
        if largest := found(folder, peer):
            objects.append(measured(f"{largest.stem} of libbpf-tools", largest))
        rows = {one.name: compare(one, peer, ours, options.rounds) for one in objects}
    print(f"load of an object, medians of {options.rounds} interleaved rounds; {machine()}")
    columns = ("libbpf ms", "beepy ms", "libbpf CPU", "beepy CPU", "beepy/libbpf", "CPU")
    table(("", "instructions", "relocations", *columns), [row for row, _ in rows.values()])
    for what, (_, ratio) in rows.items():
        limit(f"beepy's time to libbpf's, {what}", ratio, MOST)


if __name__ == "__main__":
    main()
