"""Many functions of the kernel by one link (fprobe, v5.18): ``kprobe.multi/tcp_*``."""

import errno
import re
from fnmatch import translate
from typing import Final

from beepy import sections
from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks.target import Point, Target
from beepy.host import machine, tracefs
from beepy.kernel import multi_links
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

_TO_MANY: Final = "to many functions (CONFIG_FPROBE)"
_FPROBE: Final[Point] = ("function", "register_fprobe_ips", f"links {_TO_MANY}")
_PATTERN: Final = re.compile(r"[A-Za-z0-9_.*?]+")


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry or return of every function that matches the pattern (``*`` and ``?``).

    Raises AttachError, NotSupported.
    """
    returns = sections.returns(program.section)
    where = f"program '{safe(program.name)}'"
    try:
        matches = functions(program, target)
    except AttachError as error:
        # If the list cannot be read, a kernel without fprobe is the better explanation.
        if not error.errno or any(name == _FPROBE[1] for _, _, name in machine.symbols()):
            raise
        raise multi_links.no_links(program, where, _TO_MANY) from None
    if len(matches) > 1:
        label = f"{len(matches)} functions '{safe(target.name)}'"
    else:
        label = f"function '{safe(matches[0][1])}'"
    if all(address for address, _ in matches):
        addresses = [address for address, _ in matches]
        return multi_links.kprobe_multi(program, label, addresses=addresses, returns=returns)
    names = {name for _, name in matches}
    if len(names) < len(matches):
        _log.warning(
            "%s: %s: %d not attached: another one has its name, and this kernel lists no addresses",
            where,
            label,
            len(matches) - len(names),
        )
    return multi_links.kprobe_multi(program, label, names=sorted(names), returns=returns)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the function, unless the target is a pattern, and the kernel's support for fprobe."""
    single = target.name and not sections.is_pattern(target.name)
    named: list[Point] = [("function", target.name, "")] if single else []
    return [*named, _FPROBE]


def functions(program: Program, target: Target) -> list[tuple[int, str]]:
    """Return address (0: unknown) and name of the traceable functions that match the target.

    Several functions may share a name. A name without ``*`` and ``?`` is returned without a look at
    the kernel's list: as with libbpf, the kernel decides. Raises AttachError.
    """
    where = f"program '{safe(program.name)}': functions '{safe(target.name)}'"
    if not _PATTERN.fullmatch(target.name):
        why = "expected a name, with * and ? for any characters"
        raise TargetError(f"{where}: {why}", program.name)
    if not sections.is_pattern(target.name):
        return [(0, target.name)]
    fits = re.compile(translate(target.name)).fullmatch
    try:
        matches = [(address, name) for address, name in tracefs.functions() if fits(name)]
    except KernelError as error:
        raise AttachError.wrap(error, where) from error
    if not matches:
        raise AttachError(f"{where}: no traceable function of this kernel matches", errno.ENOENT)
    return matches
