"""Functions of the kernel: where they begin, at an offset, where they return; system calls by their plain name."""

import errno
import os
import re
from typing import Final

from beepy.errors import AttachError, NotSupported, TargetError
from beepy.hooks import probe
from beepy.hooks.probe import Probe
from beepy.hooks.target import Target
from beepy.kernel import host
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

_GRAMMAR: Final = re.compile(r"([a-zA-Z0-9_.:]+)(?:\+(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))?")
_UNFIT: Final = (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL, errno.ESRCH)  # for a name too
_WITHIN: Final = "the offset must be that of an instruction within the function"
_SUFFIXES: Final = (".isra.", ".constprop.", ".part.", ".cold", ".llvm.")


def attach(program: Program, target: Target) -> Link:
    """Attach to where FUNCTION[+OFFSET] begins (``kprobe``). Raises AttachError, NotSupported."""
    return _attach(program, target.name, "kprobe", returns=False)


def attach_return(program: Program, target: Target) -> Link:
    """Attach to where FUNCTION returns (``kretprobe``). Raises AttachError, NotSupported."""
    return _attach(program, target.name, "kretprobe", returns=True)


def attach_syscall(program: Program, target: Target) -> Link:
    """Attach to where the system call NAME begins (``ksyscall``). Raises AttachError, NotSupported."""
    return _attach_syscall(program, target.name, "ksyscall", returns=False)


def attach_syscall_return(program: Program, target: Target) -> Link:
    """Attach to where the system call NAME returns (``kretsyscall``). Raises AttachError, NotSupported."""
    return _attach_syscall(program, target.name, "kretsyscall", returns=True)


def _attach_syscall(program: Program, name: str, kind: str, *, returns: bool) -> Link:
    if not re.fullmatch(r"[a-z0-9_]+", name):
        where = f"program '{safe(program.name)}': {kind} '{safe(name)}'"
        raise _advised(TargetError(f"{where}: expected the NAME of a system call", program.name), program, "openat")
    from beepy.kernel import features  # noqa: PLC0415 - few probes are of system calls

    return _attach(program, features.syscall_prefix() + name, kind, returns=returns)


def _attach(program: Program, name: str, kind: str, *, returns: bool) -> Link:
    where = f"program '{safe(program.name)}'"
    function, offset = parse(name)
    if not function:
        wrong = TargetError(f"{where}: {kind} '{safe(name)}': expected FUNCTION[+OFFSET]", program.name)
        raise _advised(wrong, program, "vfs_read")
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


def native_name(function: str, machine: str) -> str:
    """Return the name that another architecture's entry of a system call (``__x64_sys_read``) has on ``machine``."""
    ours = host.SYSCALL_PREFIXES.get(machine)
    for prefix in host.SYSCALL_PREFIXES.values():
        if ours and prefix != ours and function.startswith(prefix):
            return ours + function.removeprefix(prefix)
    return function


def _advised(error: AttachError, program: Program, example: str) -> AttachError:
    error.add_note(f"say where: --attach {safe(program.name)}={example}")
    return error


def _explained(error: AttachError, where: str, function: str, offset: int) -> AttachError:
    """Say what is wrong with the function, if that is known."""
    if error.errno == errno.EILSEQ:
        error.add_note(_WITHIN)
    if error.errno not in _UNFIT:
        return error
    names = {symbol for _, kind, symbol in host.symbols() if kind in "tTwW"}
    base = function.rpartition(":")[2]
    if base not in names:
        missing = AttachError(f"{where}: this kernel has no function of that name", errno.ENOENT)
        parts = sorted(name for name in names if name.startswith(tuple(base + suffix for suffix in _SUFFIXES)))
        if parts:
            missing.add_note(
                f"the compiler made of it: {', '.join(map(safe, parts[:5]))}; arguments may be missing there"
            )
        elif close := _similar(base, names):
            missing.add_note(f"similar ones: {', '.join(map(safe, close))}")
        return missing
    if error.errno == errno.EADDRNOTAVAIL:
        error.add_note("the kernel has several functions of that name, and cannot tell which one is meant")
    elif offset:
        error.add_note(_WITHIN)
    else:
        error.add_note("the kernel allows no probe there: see blacklist in its debugfs, /sys/kernel/debug/kprobes")
    return error


def _similar(function: str, names: set[str]) -> list[str]:
    from beepy.hooks.similar import similar  # noqa: PLC0415 - only on the way to an error

    return similar(function, names)
