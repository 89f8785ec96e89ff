"""Functions of the kernel: at entry, at an offset, at return."""

import errno
import os
import re
from typing import Final

from beepy import sections
from beepy.errors import AttachError, NotSupported, TargetError
from beepy.hooks import probe
from beepy.hooks.probe import ProbePoint
from beepy.hooks.target import Point, Target
from beepy.host import machine
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe, similar

_log = Log(__name__)

KIND: Final = probe.KIND
cleanup = probe.cleanup

_GRAMMAR: Final = re.compile(r"([a-zA-Z0-9_.:]+)(?:\+(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))?")
# what the kernel may answer for an unknown, ambiguous or forbidden name
_NAME_ERRNOS: Final = (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL, errno.ESRCH)
_OFFSET_ADVICE: Final = "the offset must be that of an instruction within the function"
_COMPILER_SUFFIXES: Final = (".isra.", ".constprop.", ".part.", ".cold", ".llvm.")


def attach(program: Program, target: Target) -> Link:
    """Attach to FUNCTION[+OFFSET], or to the return of FUNCTION.

    Raises AttachError, NotSupported.
    """
    returns = sections.returns(program.section)
    kind = "kretprobe" if returns else "kprobe"
    return attach_to(program, target.name, kind, returns=returns)


def points(target: Target, machine: str) -> list[Point]:
    """Return the function, and the kernel's support for kprobes."""
    function = native_name(_without_module(parse(target.name)[0]), machine)
    named: list[Point] = [("function", function, "")] if target.name else []
    return [*named, probe.KPROBES]


def attach_to(program: Program, name: str, kind: str, *, returns: bool) -> Link:
    """Attach to FUNCTION[+OFFSET], or to its return; ``kind`` is the probe's kind in messages.

    Raises AttachError, NotSupported.
    """
    where = f"program '{safe(program.name)}'"
    function, offset = parse(name)
    if not function:
        why = f"{kind} '{safe(name)}': expected FUNCTION[+OFFSET]"
        raise with_example(TargetError(f"{where}: {why}", program.name), program, "vfs_read")
    if returns and offset:
        why = f"{kind} {safe(name)}: return probes take no offset"
        raise TargetError(f"{where}: {why}", program.name)
    native = native_name(function, os.uname().machine)
    if native != function:
        _log.info("%s: %s %s: %s on this machine", where, kind, function, native)
    label = f"{kind} {native}{f'+{offset:#x}' if offset else ''}"
    point = ProbePoint(kind="kprobe", place=native, offset=offset, returns=returns)
    try:
        return probe.attach(program, point, label)
    except NotSupported:
        raise
    except AttachError as error:
        raise _explained(error, f"{where}: {label}", native, offset) from None


def parse(text: str) -> tuple[str, int]:
    """Return function and offset of ``FUNCTION[+OFFSET]`` as libbpf reads it, ("", 0) if malformed.

    The offset is decimal, octal (0...) or hexadecimal (0x...). ``MODULE:FUNCTION`` is a function of
    a module.
    """
    match = _GRAMMAR.fullmatch(text)
    if not match:
        return "", 0
    digits = match[2] or "0"
    return match[1], int(digits, 8 if digits[0] == "0" and digits.isdigit() else 0)


def native_name(function: str, architecture: str) -> str:
    """Return the name on ``architecture`` of a function that may be a system call's entry.

    A system call's entry of another architecture (``__x64_sys_read``) gets our prefix. The
    architecture is spelled as uname(2) does.
    """
    native_prefix = machine.SYSCALL_PREFIXES.get(architecture)
    for prefix in machine.SYSCALL_PREFIXES.values():
        if native_prefix and prefix != native_prefix and function.startswith(prefix):
            return native_prefix + function.removeprefix(prefix)
    return function


def _without_module(function: str) -> str:
    """Return the name of FUNCTION or MODULE:FUNCTION."""
    return function.rpartition(":")[2]


def with_example(error: AttachError, program: Program, example: str) -> AttachError:
    """Return the error with a note that shows a target."""
    error.add_note(f"give a target: --attach {safe(program.name)}={example}")
    return error


def _explained(error: AttachError, where: str, function: str, offset: int) -> AttachError:
    """Return the error, or a better one, that says what is wrong with the function if known."""
    if error.errno == errno.EILSEQ:
        error.add_note(_OFFSET_ADVICE)
    if error.errno not in _NAME_ERRNOS:
        return error
    names = {symbol for _, kind, symbol in machine.symbols() if kind in "tTwW"}
    name = _without_module(function)
    if name not in names:
        missing = AttachError(f"{where}: function not found in this kernel", errno.ENOENT)
        prefixes = tuple(name + suffix for suffix in _COMPILER_SUFFIXES)
        parts = sorted(symbol for symbol in names if symbol.startswith(prefixes))
        if parts:
            listed = ", ".join(map(safe, parts[:5]))
            missing.add_note(f"the compiler split it into {listed}; arguments may be missing there")
        elif close := similar(name, names):
            missing.add_note(f"similar ones: {', '.join(map(safe, close))}")
        return missing
    if error.errno == errno.EADDRNOTAVAIL:
        error.add_note("the kernel has several functions of this name, so it is ambiguous")
    elif offset:
        error.add_note(_OFFSET_ADVICE)
    else:
        error.add_note(
            "the kernel allows no probe there: see blacklist in /sys/kernel/debug/kprobes"
        )
    return error
