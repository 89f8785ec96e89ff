"""Many functions of a program or library by one link (v6.6): ``uprobe.multi/libc.so.6:get*``."""

import re
from typing import Final

from beepy import sections
from beepy.errors import ElfError, TargetError
from beepy.hooks import binary
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link, UprobeSites
from beepy.kernel.program import Program
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe

_TABLES: Final = ("SHT_SYMTAB", "SHT_DYNSYM")  # libbpf's order: the second where the first has none that fits
_ANY: Final = {"*": ".*", "?": "."}


def attach(program: Program, target: Target) -> Link:
    """Attach to where every function begins or returns whose name fits BINARY:PATTERN (``*`` and ``?``).

    A program of ``uprobe.session`` runs at both. Raises AttachError, NotSupported.
    """
    kind = program.section.removeprefix("?").partition("/")[0]
    what = f"{kind} {safe(target.name)}" if target.name else kind
    where = f"program '{safe(program.name)}': {what}"
    name, colon, pattern = target.name.partition(":")
    if not colon:
        name, pattern = "", target.name
    if not pattern:
        wrong = TargetError(f"{where}: expected BINARY:PATTERN, with * and ? for any characters", program.name)
        wrong.add_note(f"say where: --attach {safe(program.name)}=libc.so.6:get*env")
        raise wrong
    path = binary.find(target.binary or name, target.pid, where)
    with binary.opened(path, where) as file:
        offsets = _offsets(file, pattern)
    returns = sections.returns(program.section)
    return link.uprobe_multi(program, UprobeSites(path, offsets), what, pid=target.pid, returns=returns)


def _offsets(file: Executable, pattern: str) -> list[int]:
    """Return where in the file the functions stand, each once, whatever its names. Raises ElfError."""
    fits = re.compile("".join([_ANY.get(part, re.escape(part)) for part in pattern]).encode(), re.DOTALL).fullmatch
    for table in _TABLES:
        addresses = {one.address for one in executable.functions(file, table) if fits(one.name) and not one.indirect}
        offsets = [executable.file_offset(file, address) for address in sorted(addresses)]
        if found := [offset for offset in offsets if offset is not None]:
            return found
    raise ElfError(f"{file.name}: no function fits '{safe(pattern)}'")
