"""Functions of programs and libraries: at entry, at an offset, at return."""

import re
from typing import Final, NamedTuple

from beepy import sections
from beepy.errors import ElfError, TargetError
from beepy.hooks import binary, probe
from beepy.hooks.probe import ProbePoint
from beepy.hooks.target import Point, Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe, similar

KIND: Final = probe.KIND
cleanup = probe.cleanup

_OFFSET: Final = re.compile(r"(.*)\+(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", re.DOTALL)


class UprobeTarget(NamedTuple):
    """The parts of BINARY:FUNCTION+OFFSET; "" or 0 if missing."""

    binary: str
    function: str
    offset: int


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry of a function, an offset in it, or its return.

    Raises AttachError, NotSupported.
    """
    returns = sections.returns(program.section)
    kind = "uretprobe" if returns else "uprobe"
    label = f"{kind} {safe(target.name)}" if target.name else kind
    where = f"program '{safe(program.name)}': {label}"
    parts = parse(target)
    if not parts.function and not parts.offset:
        error = TargetError(f"{where}: expected BINARY:FUNCTION[+OFFSET]", program.name)
        error.add_note(f"give a target: --attach {safe(program.name)}=libc.so.6:getenv")
        raise error
    if returns and parts.offset and parts.function:
        raise TargetError(f"{where}: return probes take no offset", program.name)
    path = binary.find(parts.binary, target.pid, where)
    offset = parts.offset
    if parts.function:
        with binary.opened(path, where) as file:
            offset += function_offset(file, parts.function)
    point = ProbePoint(kind="uprobe", place=path, offset=offset, returns=returns, pid=target.pid)
    return probe.attach(program, point, label)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the kernel's support for uprobes."""
    return [probe.UPROBES]


def parse(target: Target) -> UprobeTarget:
    """Return the parts of a target; its ``binary`` overrides BINARY.

    ``BINARY:+OFFSET`` is an offset in the file. Only a number after the last "+" is an offset,
    because "+" is also part of C++ names.
    """
    name, colon, function = target.name.partition(":")
    if not colon:
        name, function = "", target.name
    match = _OFFSET.fullmatch(function)
    if not match:
        return UprobeTarget(target.binary or name, function, 0)
    octal = match[2][0] == "0" and match[2].isdigit()
    offset = int(match[2], 8 if octal else 0)
    return UprobeTarget(target.binary or name, match[1], offset)


def function_offset(file: Executable, name: str) -> int:
    """Return the offset in the file of a function.

    Raises ElfError, with a note that names similar functions.
    """
    try:
        address = executable.function(file, name)
    except ElfError as error:
        symbols = [
            symbol
            for kind in ("SHT_DYNSYM", "SHT_SYMTAB")
            for symbol in executable.functions(file, kind)
        ]
        names = {symbol.name.decode("utf-8", "replace") for symbol in symbols}
        for note in _advice(name, names):
            error.add_note(note)
        raise
    offset = executable.file_offset(file, address)
    if offset is None:
        raise ElfError(f"{file.name}: {safe(name)}: its address {address:#x} is not in the file")
    return offset


def _advice(name: str, names: set[str]) -> list[str]:
    """Return notes for a function that is not among the ``names`` of a file, or ambiguous."""
    close = [other for other in similar(name, names) if other != name]
    if close:
        return [f"similar ones: {', '.join(map(safe, close))}"]
    return [] if name in names else ["an offset in the file can be given instead: BINARY:+OFFSET"]
