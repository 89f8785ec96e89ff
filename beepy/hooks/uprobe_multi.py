"""Many functions of a program or library by one link (v6.6): ``uprobe.multi/libc.so.6:get*``."""

import re
from typing import Final

from beepy import sections
from beepy.errors import ElfError, TargetError
from beepy.hooks import binary
from beepy.hooks.target import Target
from beepy.kernel import multi_links
from beepy.kernel.link import Link
from beepy.kernel.multi_links import UprobeSites
from beepy.kernel.program import Program
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.text import safe

# in libbpf's order: the second is searched if nothing in the first matches
_SYMBOL_TABLES: Final = ("SHT_SYMTAB", "SHT_DYNSYM")
_WILDCARDS: Final = {"*": ".*", "?": "."}


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry or return of every function that matches BINARY:PATTERN (``*``, ``?``).

    A program of ``uprobe.session`` runs at both. Raises AttachError, NotSupported.
    """
    kind = program.section.removeprefix("?").partition("/")[0]
    label = f"{kind} {safe(target.name)}" if target.name else kind
    where = f"program '{safe(program.name)}': {label}"
    name, colon, pattern = target.name.partition(":")
    if not colon:
        name, pattern = "", target.name
    if not pattern:
        why = "expected BINARY:PATTERN, with * and ? for any characters"
        error = TargetError(f"{where}: {why}", program.name)
        error.add_note(f"give a target: --attach {safe(program.name)}=libc.so.6:get*env")
        raise error
    path = binary.find(target.binary or name, target.pid, where)
    with binary.opened(path, where) as file:
        offsets = _offsets(file, pattern)
    returns = sections.returns(program.section)
    sites = UprobeSites(path, offsets)
    return multi_links.uprobe_multi(program, sites, label, pid=target.pid, returns=returns)


def _offsets(file: Executable, pattern: str) -> list[int]:
    """Return the offsets in the file of the functions that match, each once. Raises ElfError."""
    regex = "".join([_WILDCARDS.get(character, re.escape(character)) for character in pattern])
    fits = re.compile(regex.encode(), re.DOTALL).fullmatch
    for table in _SYMBOL_TABLES:
        # A set: functions of several names are attached to once.
        addresses = {
            symbol.address
            for symbol in executable.functions(file, table)
            if fits(symbol.name) and not symbol.indirect
        }
        offsets = [executable.file_offset(file, address) for address in sorted(addresses)]
        in_file = [offset for offset in offsets if offset is not None]
        if in_file:
            return in_file
    raise ElfError(f"{file.name}: no function matches '{safe(pattern)}'")
