"""Functions of the kernel: where they begin, at an offset, where they return."""

import errno
import os
import re
from typing import Final

from beepy import sections
from beepy.errors import AttachError, NotSupported, TargetError
from beepy.hooks import probe
from beepy.hooks.probe import Probe
from beepy.hooks.target import Point, Target
from beepy.host import machine
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe, similar

_log = Log(__name__)

KIND: Final = probe.KIND
undo = probe.undo

_GRAMMAR: Final = re.compile(r"([a-zA-Z0-9_.:]+)(?:\+(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))?")
_UNFIT: Final = (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL, errno.ESRCH)  # for a name too
_WITHIN: Final = "the offset must be that of an instruction within the function"
_SUFFIXES: Final = (".isra.", ".constprop.", ".part.", ".cold", ".llvm.")


def attach(program: Program, target: Target) -> Link:
    """Attach to where FUNCTION[+OFFSET] begins, or where FUNCTION returns. Raises AttachError, NotSupported."""
    returns = sections.returns(program.section)
    return attach_to(program, target.name, "kretprobe" if returns else "kprobe", returns=returns)


def points(target: Target, machine: str) -> list[Point]:
    """Return the function, and what makes probes."""
    function = native_name(_base(parse(target.name)[0]), machine)
    named: list[Point] = [("function", function, "")] if target.name else []
    return [*named, probe.KPROBES]


def attach_to(program: Program, name: str, kind: str, *, returns: bool) -> Link:
    """Attach to FUNCTION[+OFFSET]; ``kind`` names the probe in messages. Raises AttachError, NotSupported."""
    where = f"program '{safe(program.name)}'"
    function, offset = parse(name)
    if not function:
        wrong = TargetError(f"{where}: {kind} '{safe(name)}': expected FUNCTION[+OFFSET]", program.name)
        raise advised(wrong, program, "vfs_read")
    if returns and offset:
        raise TargetError(f"{where}: {kind} {safe(name)}: a return has no offset", program.name)
    native = native_name(function, os.uname().machine)
    if native != function:
        _log.info("%s: %s %s: %s on this machine", where, kind, function, native)
    what = f"{kind} {native}{f'+{offset:#x}' if offset else ''}"
    try:
        return probe.attach(program, Probe("kprobe", native, offset, returns), what)
    except NotSupported:
        raise
    except AttachError as error:
        raise _explained(error, f"{where}: {what}", native, offset) from None


def parse(text: str) -> tuple[str, int]:
    """Return function and offset of ``FUNCTION[+OFFSET]``, as libbpf reads it; "" if it is not of that form.

    The offset is decimal, octal (0...) or hexadecimal (0x...); ``MODULE:FUNCTION`` is a module's.
    """
    match = _GRAMMAR.fullmatch(text)
    if not match:
        return "", 0
    digits = match[2] or "0"
    return match[1], int(digits, 8 if digits[0] == "0" and digits.isdigit() else 0)


def native_name(function: str, architecture: str) -> str:
    """Return the name that another machine's entry of a system call (``__x64_sys_read``) has on ours.

    ``architecture`` is what uname calls our machine.
    """
    ours = machine.SYSCALL_PREFIXES.get(architecture)
    for prefix in machine.SYSCALL_PREFIXES.values():
        if ours and prefix != ours and function.startswith(prefix):
            return ours + function.removeprefix(prefix)
    return function


def _base(function: str) -> str:
    """Return the name of FUNCTION or MODULE:FUNCTION."""
    return function.rpartition(":")[2]


def advised(error: AttachError, program: Program, example: str) -> AttachError:
    """Return the error with a target that can be typed."""
    error.add_note(f"say where: --attach {safe(program.name)}={example}")
    return error


def _explained(error: AttachError, where: str, function: str, offset: int) -> AttachError:
    """Say what is wrong with the function, if that is known."""
    if error.errno == errno.EILSEQ:
        error.add_note(_WITHIN)
    if error.errno not in _UNFIT:
        return error
    names = {symbol for _, kind, symbol in machine.symbols() if kind in "tTwW"}
    base = _base(function)
    if base not in names:
        missing = AttachError(f"{where}: this kernel has no function of that name", errno.ENOENT)
        parts = sorted(name for name in names if name.startswith(tuple(base + suffix for suffix in _SUFFIXES)))
        if parts:
            missing.add_note(
                f"the compiler made of it: {', '.join(map(safe, parts[:5]))}; arguments may be missing there"
            )
        elif close := similar(base, names):
            missing.add_note(f"similar ones: {', '.join(map(safe, close))}")
        return missing
    if error.errno == errno.EADDRNOTAVAIL:
        error.add_note("the kernel has several functions of that name, and cannot tell which one is meant")
    elif offset:
        error.add_note(_WITHIN)
    else:
        error.add_note("the kernel allows no probe there: see blacklist in its debugfs, /sys/kernel/debug/kprobes")
    return error
