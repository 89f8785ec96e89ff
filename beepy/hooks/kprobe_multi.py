"""Many functions of the kernel by one link (fprobe, v5.18): ``kprobe.multi/tcp_*``."""

import errno
import re
from fnmatch import translate
from typing import Final

from beepy import sections
from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks.target import Point, Target
from beepy.host import machine, tracefs
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

_LINKS: Final = "to many functions (CONFIG_FPROBE)"
_MAKER: Final[Point] = ("function", "register_fprobe_ips", f"links {_LINKS}")
_PATTERN: Final = re.compile(r"[A-Za-z0-9_.*?]+")


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry or return of every function whose name fits the pattern (``*`` and ``?``).

    Raises AttachError, NotSupported.
    """
    returns = sections.returns(program.section)
    try:
        found = functions(program, target)
    except AttachError as error:
        if not error.errno or any(name == _MAKER[1] for _, _, name in machine.symbols()):
            raise
        raise link.no_links(program, f"program '{safe(program.name)}'", _LINKS) from None
    names = {name for _, name in found}
    what = f"{len(found)} functions '{safe(target.name)}'" if len(found) > 1 else f"function '{safe(found[0][1])}'"
    if all(address for address, _ in found):
        return link.kprobe_multi(program, what, addresses=[address for address, _ in found], returns=returns)
    if len(names) < len(found):
        missed = len(found) - len(names)
        told = "program '%s': %s: %d not attached: another one has its name, and this kernel lists no addresses"
        _log.warning(told, safe(program.name), what, missed)
    return link.kprobe_multi(program, what, names=sorted(names), returns=returns)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the function, unless a pattern names many, and what makes links to many functions."""
    single = target.name and not sections.is_pattern(target.name)
    named: list[Point] = [("function", target.name, "")] if single else []
    return [*named, _MAKER]


def functions(program: Program, target: Target) -> list[tuple[int, str]]:
    """Return address (0: not told) and name of the functions that can be traced and fit the target's pattern.

    Several may share a name. A name without ``*`` and ``?`` is as it stands, whatever is listed: as libbpf does, it is
    left to the kernel. Raises AttachError.
    """
    where = f"program '{safe(program.name)}': functions '{safe(target.name)}'"
    if not _PATTERN.fullmatch(target.name):
        raise TargetError(f"{where}: expected a name, with * and ? for any characters", program.name)
    if not sections.is_pattern(target.name):
        return [(0, target.name)]
    try:
        fits = re.compile(translate(target.name)).fullmatch
        found = [(address, name) for address, name in tracefs.functions() if fits(name)]
    except KernelError as error:
        raise AttachError(f"{where}: {error}", error.errno or 0) from error
    if not found:
        raise AttachError(f"{where}: this kernel has none that can be traced", errno.ENOENT)
    return found
