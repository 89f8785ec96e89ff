"""Functions of programs and libraries: where they begin, at an offset, where they return."""

import re
from typing import Final, NamedTuple

from beepy import sections
from beepy.errors import ElfError, TargetError
from beepy.hooks import binary, probe
from beepy.hooks.probe import Probe
from beepy.hooks.target import Point, Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe, similar

KIND: Final = probe.KIND
undo = probe.undo

_OFFSET: Final = re.compile(r"(.*)\+(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", re.DOTALL)


class Place(NamedTuple):
    """What BINARY:FUNCTION+OFFSET says; each may be missing ("", 0)."""

    binary: str
    function: str
    offset: int


def attach(program: Program, target: Target) -> Link:
    """Attach to where a function begins, at an offset or where it returns. Raises AttachError, NotSupported."""
    returns = sections.returns(program.section)
    kind = "uretprobe" if returns else "uprobe"
    what = f"{kind} {safe(target.name)}" if target.name else kind
    where = f"program '{safe(program.name)}': {what}"
    place = parse(target)
    if not place.function and not place.offset:
        wrong = TargetError(f"{where}: expected BINARY:FUNCTION[+OFFSET]", program.name)
        wrong.add_note(f"say where: --attach {safe(program.name)}=libc.so.6:getenv")
        raise wrong
    if returns and place.offset and place.function:
        raise TargetError(f"{where}: a return has no offset", program.name)
    path = binary.find(place.binary, target.pid, where)
    offset = place.offset
    if place.function:
        with binary.opened(path, where) as file:
            offset += function_offset(file, place.function)
    return probe.attach(program, Probe("uprobe", path, offset, returns, target.pid), what)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return what makes probes."""
    return [probe.UPROBES]


def parse(target: Target) -> Place:
    """Return what a target says; ``BINARY:+OFFSET`` is an offset in the file. --binary overrules the text's.

    The offset is what stands after the last "+", if that is a number: "+" is a character of C++ names too.
    """
    name, colon, function = target.name.partition(":")
    if not colon:
        name, function = "", target.name
    match = _OFFSET.fullmatch(function)
    if not match:
        return Place(target.binary or name, function, 0)
    octal = match[2][0] == "0" and match[2].isdigit()
    return Place(target.binary or name, match[1], int(match[2], 8 if octal else 0))


def function_offset(file: Executable, name: str) -> int:
    """Return where in the file a function stands. Raises ElfError, with similar names as advice."""
    try:
        address = executable.function(file, name)
    except ElfError as error:
        kinds = ("SHT_DYNSYM", "SHT_SYMTAB")
        names = {one.name.decode("utf-8", "replace") for kind in kinds for one in executable.functions(file, kind)}
        for note in _advice(name, names):
            error.add_note(note)
        raise
    offset = executable.file_offset(file, address)
    if offset is None:
        raise ElfError(f"{file.name}: {safe(name)}: its address {address:#x} is not one of the file's")
    return offset


def _advice(name: str, names: set[str]) -> list[str]:
    close = [other for other in similar(name, names) if other != name]
    if close:
        return [f"similar ones: {', '.join(map(safe, close))}"]
    return [] if name in names else ["an offset in the file can be given instead: BINARY:+OFFSET"]
