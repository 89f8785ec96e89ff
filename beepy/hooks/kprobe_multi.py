"""Many functions of the kernel by one link (fprobe, v5.18): ``kprobe.multi/tcp_*``."""

import re
from fnmatch import translate
from typing import Final

from beepy.errors import AttachError, KernelError
from beepy.hooks.target import Target
from beepy.kernel import host, link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe

_PATTERN: Final = re.compile(r"[A-Za-z0-9_.*?]+")


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry of every function whose name fits the pattern (``*`` and ``?``). Raises AttachError."""
    return link.kprobe_multi(program, functions(program, target))


def attach_return(program: Program, target: Target) -> Link:
    """Attach to the return of every function whose name fits the pattern. Raises AttachError."""
    return link.kprobe_multi(program, functions(program, target), returns=True)


def functions(program: Program, target: Target) -> list[str]:
    """Return the names of the functions that can be traced and fit the target's pattern. Raises AttachError."""
    where = f"program '{safe(program.name)}': functions '{safe(target.name)}'"
    if not _PATTERN.fullmatch(target.name):
        raise AttachError(f"{where}: expected a name, with * and ? for any characters")
    if not set(target.name) & set("*?"):
        return [target.name]
    try:
        fits = re.compile(translate(target.name)).fullmatch
        found = sorted({name for name in host.traceable_functions() if fits(name)})
    except KernelError as error:
        raise AttachError(f"{where}: {error}", error.errno or 0) from error
    if not found:
        raise AttachError(f"{where}: this kernel has none that can be traced")
    return found
