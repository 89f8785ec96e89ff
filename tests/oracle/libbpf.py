"""Ask the newest libbpf: run bpftool on an object, and parse relocations from its debug log."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from tests.support import apart

POISONED = "poison"

# bpffs is mounted in a private mount namespace: it goes, with every pin, when the shell has ended
_LOAD = """
mount -t bpf bpf /sys/fs/bpf && "$1" -d prog loadall "$2" /sys/fs/bpf/beepy-oracle || exit
for pin in /sys/fs/bpf/beepy-oracle/*; do
    [ ! -e "$pin" ] || echo "${pin##*/} $("$1" -j prog show pinned "$pin")"
done
"""

_LINE = re.compile(r"libbpf: prog '(?P<program>[^']*)': relo #(?P<number>\d+): (?P<text>.*)")
_SPEC = re.compile(
    r"<(?P<kind>\w+)> \[\d+\] (?P<what>.*?)(?: \([\d:]+ @ offset [\d.]+\)| = -?\d+)?$"
)
_PATCHED = re.compile(
    r"patched insn #(?P<insn>\d+) \((?P<form>[A-Z0-9/]+)\) "
    r"(?:imm|imm64|off) (?P<old>\d+) -> (?P<new>\d+)$"
)
_WIDTH = re.compile(r"patched insn #(?P<insn>\d+) \([A-Z/]+\) mem_sz (?P<old>\d+) -> (?P<new>\d+)$")
_POISON = re.compile(r"substituting insn #(?P<insn>\d+) w/ invalid insn$")
_FAILED = re.compile(r"failed to (?:relocate|patch insn #(?P<insn>\d+)): -\w+")
_REFUSED = re.compile(
    r"libbpf: (?:prog|map) '(?P<name>[^']*)': "
    r"failed to (?:load|create|prepare load attributes): -\w+$",
    re.MULTILINE,
)

# loadall wants to pin what autoload leaves out (SEC("?...")), after all else has been loaded
_LEFT_OUT: Final = "can't pin program that wasn't loaded"
_NOT_OPENED: Final = "Error: failed to open object file"


class Decision(NamedTuple):
    """The result of one relocation; ``form``: POISONED or the instruction's; numbers are u64."""

    kind: str
    what: str
    form: str
    old: int
    new: int


class Verdict(NamedTuple):
    """libbpf's result for an object; ``decisions`` are by (function, instruction).

    ``failed``: program, kind and access of the relocation that libbpf refused.

    ``opened``: the object is as libbpf wants it; ``refused``: the map or program that the kernel
    does not take. ``tags``: the kernel's hash of each loaded program's instructions (without
    addresses), by the program's name.
    """

    opened: bool
    loaded: bool
    refused: str
    decisions: dict[tuple[str, int], Decision]
    widths: dict[tuple[str, int], tuple[int, int]]
    failed: tuple[str, str, str] | None
    log: str
    tags: dict[str, str]


def missing() -> str:
    """Return why libbpf cannot be asked, "" if it can."""
    return apart.missing() or ("" if shutil.which("mount") else "not installed: mount")


def load(bpftool: Path, path: Path) -> Verdict:
    """Load every program of the object (nothing is attached), and let all go."""
    command = [*apart.command(), "sh", "-c", _LOAD, "sh", str(bpftool), str(path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    log = done.stderr.decode(errors="replace")
    loaded = done.returncode == 0
    tags = dict(_tag(line) for line in done.stdout.decode().splitlines()) if loaded else {}
    return read(log, loaded=loaded or _LEFT_OUT in log)._replace(tags=tags)


def _tag(line: str) -> tuple[str, str]:
    name, _, shown = line.partition(" ")
    return name, str(json.loads(shown)["tag"])


def read(log: str, *, loaded: bool) -> Verdict:
    """Return what a debug log of libbpf says."""
    decisions: dict[tuple[str, int], Decision] = {}
    widths: dict[tuple[str, int], tuple[int, int]] = {}
    failed = None
    kind = what = ""
    poisoned: tuple[str, int] | None = None  # by the relocation that is being told of
    for line in _LINE.finditer(log):
        program, text = line["program"], line["text"].rstrip()
        if spec := _SPEC.match(text):
            kind, what = spec["kind"], spec["what"].replace("enum64 ", "enum ", 1)  # as C writes it
            poisoned = None
        elif found := _PATCHED.match(text):
            old, new = int(found["old"]), int(found["new"])
            decisions[program, int(found["insn"])] = Decision(kind, what, found["form"], old, new)
        elif found := _WIDTH.match(text):
            widths[program, int(found["insn"])] = int(found["old"]), int(found["new"])
        elif found := _POISON.match(text):
            at = program, int(found["insn"])
            if poisoned:  # an LDIMM64: both of its slots are told of
                del decisions[poisoned]
                at = min(at, poisoned)
            poisoned = at
            decisions[at] = Decision(kind, what, POISONED, 0, 0)
        elif found := _FAILED.match(text):
            failed = program, kind, what
            if found["insn"]:  # the offset may have been patched before the width was refused
                decisions.pop((program, int(found["insn"])), None)
    refused = _REFUSED.search(log)
    return Verdict(
        _NOT_OPENED not in log,
        loaded,
        refused["name"] if refused else "",
        decisions,
        widths,
        failed,
        log,
        {},
    )
