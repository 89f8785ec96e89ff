"""Many functions of the kernel by one link (fprobe, v5.18): ``kprobe.multi/tcp_*``."""

import errno
import re
from fnmatch import translate
from typing import Final

from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks.target import Target
from beepy.kernel import host, link, tracefs
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

_MAKER: Final = "register_fprobe_ips"
_PATTERN: Final = re.compile(r"[A-Za-z0-9_.*?]+")


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry of every function whose name fits the pattern (``*`` and ``?``). Raises AttachError."""
    return _attach(program, target, returns=False)


def attach_return(program: Program, target: Target) -> Link:
    """Attach to the return of every function whose name fits the pattern. Raises AttachError."""
    return _attach(program, target, returns=True)


def _attach(program: Program, target: Target, *, returns: bool) -> Link:
    try:
        found = functions(program, target)
    except AttachError as error:
        if not error.errno or any(name == _MAKER for _, _, name in host.symbols()):
            raise
        raise link.no_links(program, f"program '{safe(program.name)}'", "to many functions (CONFIG_FPROBE)") from None
    names = {name for _, name in found}
    what = f"{len(found)} functions '{safe(target.name)}'" if len(found) > 1 else f"function '{safe(found[0][1])}'"
    if all(address for address, _ in found):
        return link.kprobe_multi(program, what, addresses=[address for address, _ in found], returns=returns)
    if len(names) < len(found):
        missed = len(found) - len(names)
        told = "program '%s': %s: %d not attached: another one has its name, and this kernel lists no addresses"
        _log.warning(told, safe(program.name), what, missed)
    return link.kprobe_multi(program, what, names=sorted(names), returns=returns)


def functions(program: Program, target: Target) -> list[tuple[int, str]]:
    """Return address (0: not told) and name of the functions that can be traced and fit the target's pattern.

    Several may share a name. A name without ``*`` and ``?`` is as it stands, whatever is listed: as libbpf does, it is
    left to the kernel. Raises AttachError.
    """
    where = f"program '{safe(program.name)}': functions '{safe(target.name)}'"
    if not _PATTERN.fullmatch(target.name):
        raise TargetError(f"{where}: expected a name, with * and ? for any characters", program.name)
    if not set(target.name) & set("*?"):
        return [(0, target.name)]
    try:
        fits = re.compile(translate(target.name)).fullmatch
        found = [(address, name) for address, name in tracefs.functions() if fits(name)]
    except KernelError as error:
        raise AttachError(f"{where}: {error}", error.errno or 0) from error
    if not found:
        raise AttachError(f"{where}: this kernel has none that can be traced", errno.ENOENT)
    return found
