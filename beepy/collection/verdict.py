"""What the verifier said, told as: program, instruction, C line, reason."""

import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from beepy.btf.btf import Btf
from beepy.collection.diagnosis import helper, lacks_symbol
from beepy.core.patch import POISON
from beepy.core.resolve import Fixup
from beepy.errors import BtfError, VerifierError
from beepy.kernel import privilege
from beepy.kernel.program import relevant_lines
from beepy.obj.spec import ExternRef, ProgramSpec
from beepy.oci.descriptor import architecture
from beepy.text import safe
from beepy.uapi import ProgType

_LAST_LINES: Final = 12
_NO_MATCH: Final = "this kernel's types have no match"
_FUNCTION = re.compile(r"(?:invalid func|unknown func|cannot use helper) \S+#(\d+)")
_INSN = re.compile(r"^(\d+): \([0-9a-f]{2}\)")
# what it refuses to whom it does not let know addresses of the kernel (env->allow_ptr_leaks in kernel/bpf/verifier.c)
_TELLS_ADDRESSES: Final = re.compile(r"pointer (?:[-+|&^*/%<>]+= pointer|comparison|arithmetic) prohibited|leaks addr")
_WIDTH: Final = 200  # characters of a line that are shown


def explain(
    error: VerifierError, program: ProgramSpec, prog_type: ProgType, btf: Btf | None, fixups: Sequence[Fixup] = ()
) -> VerifierError:
    """Return the error with the failing instruction and its C line in the message, the log's last lines as notes.

    ``program`` is what was loaded, ``fixups`` are its CO-RE relocations: one that poisoned the instruction is why.
    """
    told = relevant_lines(error.log)
    where = [f"program '{safe(program.name)}': verifier"]
    insn = next((int(found[1]) for line in reversed(told) if (found := _INSN.match(line))), None)
    if insn is not None:
        where.append(f"instruction {insn}")
        if source := source_line(program, btf, insn):
            where.append(source)
    last = told[-1] if told else "no reason given"
    reason = _poisoned(program, fixups, insn) or _called(program, prog_type, insn, last) or _short(last)
    if _TELLS_ADDRESSES.search(reason) and privilege.lacking({"CAP_PERFMON"}):
        reason += ": needs CAP_PERFMON"
    explained = VerifierError(f"{': '.join(where)}: {reason}", error.errno or 0, error.log)
    shown = told[-_LAST_LINES - 1 : -1]
    if shown:
        explained.add_note("\n".join(["the verifier's last lines:", *[f"  {_short(line)}" for line in shown]]))
    return explained


def _poisoned(program: ProgramSpec, fixups: Sequence[Fixup], insn: int | None) -> str:
    """Return which relocation replaced the instruction, "" if none did."""
    if insn is None or insn >= len(program.insns) or program.insns[insn] != POISON:
        return ""
    for number, fixup in enumerate(fixups):
        if fixup.insn in (insn, insn - 1):
            why = "" if fixup.memsz_mismatch else f": {built_for(fixup) or _NO_MATCH}"
            return f"relocation {number} ({fixup}){why}"
    return ""


def built_for(fixup: Fixup) -> str:
    """Return that a relocation is of registers that this machine does not have, "" for any other."""
    foreign = fixup.machine not in {"", os.uname().machine}
    return f"the object is built for {architecture(fixup.machine)}" if foreign else ""


def _called(program: ProgramSpec, prog_type: ProgType, insn: int | None, last: str) -> str:
    """Return why a function cannot be called, "" where the verifier says something else."""
    found = _FUNCTION.search(last)
    if not found:
        return ""
    for ref in program.refs:
        if isinstance(ref, ExternRef) and ref.insn == insn:  # a weak one, put in the place of which none may be called
            return f"{lacks_symbol(ref.name)}, and the call is reached"
    return helper(int(found[1]), prog_type)


def source_line(program: ProgramSpec, btf: Btf | None, insn: int) -> str:
    """Return ``file.c:12: 'the C text'`` of an instruction, "" where .BTF.ext does not tell."""
    at = bisect_right([info.insn for info in program.line_infos], insn)
    if not at or btf is None:
        return ""
    info = program.line_infos[at - 1]
    try:
        file, text = btf.string(info.file_off), btf.string(info.line_off).strip()
    except BtfError:
        return ""
    return f"{safe(file.rpartition('/')[2])}:{info.line_col >> 10}: '{_short(text)}'"


def _short(text: str) -> str:
    text = safe(text)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
