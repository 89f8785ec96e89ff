"""Explain a verifier log in one line: program, instruction, C line, reason."""

import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from beepy.btf.btf import Btf
from beepy.collection.refusals import explain_helper, explain_symbol
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
# refused without CAP_PERFMON: it leaks addresses (env->allow_ptr_leaks in kernel/bpf/verifier.c)
_LEAKS_ADDRESSES: Final = re.compile(
    r"pointer (?:[-+|&^*/%<>]+= pointer|comparison|arithmetic) prohibited|leaks addr"
)
_WIDTH: Final = 200  # characters of a line that are shown


def explain(
    error: VerifierError,
    program: ProgramSpec,
    prog_type: ProgType,
    btf: Btf | None,
    fixups: Sequence[Fixup] = (),
) -> VerifierError:
    """Return the error with the failing instruction and C line; the log's last lines are a note.

    ``program`` is as it was submitted. ``fixups`` are its CO-RE relocations: if one of them
    poisoned the failing instruction, it is the reason.
    """
    lines = relevant_lines(error.log)
    where = [f"program '{safe(program.name)}': verifier"]
    numbers = (int(match[1]) for line in reversed(lines) if (match := _INSN.match(line)))
    insn = next(numbers, None)
    if insn is not None:
        where.append(f"instruction {insn}")
        if source := source_line(program, btf, insn):
            where.append(source)
    last = lines[-1]
    reason = (
        _poison_reason(program, fixups, insn)
        or _call_reason(program, prog_type, insn, last)
        or _shorten(last)
    )
    if _LEAKS_ADDRESSES.search(reason) and privilege.lacking({"CAP_PERFMON"}):
        reason += ": needs CAP_PERFMON"
    explained = VerifierError(f"{': '.join(where)}: {reason}", error.errno or 0, error.log)
    if context := lines[-_LAST_LINES - 1 : -1]:
        shown = [f"  {_shorten(line)}" for line in context]
        explained.add_note("\n".join(["the verifier's last lines:", *shown]))
    return explained


def _poison_reason(program: ProgramSpec, fixups: Sequence[Fixup], insn: int | None) -> str:
    """Return the CO-RE relocation that poisoned the instruction, "" if none did."""
    if insn is None or insn >= len(program.insns) or program.insns[insn] != POISON:
        return ""
    for number, fixup in enumerate(fixups):
        if fixup.insn in (insn, insn - 1):
            reason = "" if fixup.memsz_mismatch else f": {built_for(fixup) or _NO_MATCH}"
            return f"relocation {number} ({fixup}){reason}"
    return ""


def built_for(fixup: Fixup) -> str:
    """Return that a relocation reads registers of another architecture, "" if it does not."""
    foreign = fixup.machine not in {"", os.uname().machine}
    return f"the object is built for {architecture(fixup.machine)}" if foreign else ""


def _call_reason(program: ProgramSpec, prog_type: ProgType, insn: int | None, last: str) -> str:
    """Return why a helper or kfunc cannot be called, "" if ``last`` reports something else."""
    match = _FUNCTION.search(last)
    if not match:
        return ""
    for ref in program.refs:
        if isinstance(ref, ExternRef) and ref.insn == insn:  # a missing weak kfunc: poisoned
            return f"{explain_symbol(ref.name)}, and the call is reached"
    return explain_helper(int(match[1]), prog_type)


def source_line(program: ProgramSpec, btf: Btf | None, insn: int) -> str:
    """Return ``file.c:12: 'the C text'`` of an instruction, "" without line info."""
    index = bisect_right([info.insn for info in program.line_infos], insn)
    if not index or btf is None:
        return ""
    info = program.line_infos[index - 1]
    try:
        file, text = btf.string(info.file_off), btf.string(info.line_off).strip()
    except BtfError:
        return ""
    return f"{safe(file.rpartition('/')[2])}:{info.line_col >> 10}: '{_shorten(text)}'"


def _shorten(text: str) -> str:
    text = safe(text)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
