"""Our decisions about an object's CO-RE relocations, in the words of libbpf's log."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from beepy.btf import ext
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.core.access import KIND_NAMES
from beepy.core.patch import POISON, patch
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import RelocationError
from beepy.kernel import btf as kernel_btf
from beepy.obj import elf
from beepy.obj import insn as op
from beepy.obj.insn import SLOT, Insn
from beepy.obj.sections import TEXT
from beepy.obj.spec import CollectionSpec, CoreRef, ProgramSpec
from tests.oracle.libbpf import POISONED, Decision

_U64 = (1 << 64) - 1
_U32 = (1 << 32) - 1
_FORMS = {
    op.LD: "LDIMM64",
    op.LDX: "LDX",
    op.ST: "ST",
    op.STX: "STX",
    op.ALU: "ALU",
    op.ALU64: "ALU",
}
_LIBBPF_FORMS = {
    "LDIMM64": "LDIMM64",
    "LDX": "LDX/ST/STX",
    "ST": "LDX/ST/STX",
    "STX": "LDX/ST/STX",
    "ALU": "ALU/ALU64",
}


class Decided(NamedTuple):
    """beepy's ``decisions`` and ``widths`` by (function, instruction), as in ``libbpf.Verdict``.

    ``forms``: each (kind, form) that occurred.

    ``failed``: the programs that were refused, each with its message.
    """

    decisions: dict[tuple[str, int], Decision]
    widths: dict[tuple[str, int], tuple[int, int]]
    forms: set[tuple[str, str]]
    failed: dict[str, str]


def decide(spec: CollectionSpec, data: bytes) -> Decided:
    """Resolve and patch every program that libbpf does not skip, and every unused function."""
    found = Decided({}, {}, set(), {})
    if spec.btf is None:
        return found
    resolver = Resolver(spec.btf, _targets)
    programs = [program for program in spec.programs if not program.section.startswith("?")]
    for program in [*programs, *_unreached(spec, spec.btf, data)]:
        try:
            _decide(found, resolver, program)
        except RelocationError as error:
            found.failed[program.name] = str(error)
            # Those before the refused one, because libbpf logs them.
            with suppress(RelocationError):
                for ref in program.core:
                    _decide(found, resolver, program._replace(core=(ref,)))
    return found


def _decide(found: Decided, resolver: Resolver, program: ProgramSpec) -> None:
    fixups = resolver.fixups(program)
    patched = patch(program, fixups)
    for fixup in fixups:
        _note(found, program, patched, fixup)


def _targets() -> Iterator[Btf]:
    yield kernel_btf.vmlinux()
    yield from kernel_btf.modules()


def _note(found: Decided, program: ProgramSpec, patched: ProgramSpec, fixup: Fixup) -> None:
    function, start = program.functions[
        bisect_right([at for _, at in program.functions], fixup.insn) - 1
    ]
    at = function, fixup.insn - start
    kind = KIND_NAMES[fixup.kind]
    before, form = program.insns[fixup.insn], _FORMS[program.insns[fixup.insn].code & op.CLASS]
    found.forms.add((kind, form))
    if patched.insns[fixup.insn] == POISON:
        found.decisions[at] = Decision(kind, fixup.access, POISONED, 0, 0)
        return
    old, new = (_operand(one.insns, fixup.insn, form) for one in (program, patched))
    found.decisions[at] = Decision(kind, fixup.access, _LIBBPF_FORMS[form], old, new)
    if before.code != patched.insns[fixup.insn].code:
        found.widths[at] = fixup.old_size, fixup.new_size


def _operand(insns: tuple[Insn, ...], at: int, form: str) -> int:
    insn = insns[at]
    if form == "ALU":
        return insn.imm & _U64
    if form == "LDIMM64":
        return (insns[at + 1].imm << 32 | insn.imm & _U32) & _U64
    return insn.off & _U64


def _unreached(spec: CollectionSpec, btf: Btf, data: bytes) -> Iterator[ProgramSpec]:
    """Yield the functions that no program calls: libbpf relocates them, but does not load them."""
    reached = {name for program in spec.programs for name, _ in program.functions}
    file = elf.read(data, spec.name)
    sections = {section.name: section for section in file.sections}
    if TEXT not in sections or ".BTF.ext" not in sections:
        return
    text = sections[TEXT]
    records = ext.parse(sections[".BTF.ext"].data, btf).core.get(TEXT, ())
    for symbol in file.symbols:
        if (
            symbol.type == "STT_FUNC"
            and symbol.section == text.number
            and symbol.name not in reached
        ):
            core = tuple(
                CoreRef((offset - symbol.value) // SLOT, TypeId(type_id), btf.string(access), kind)
                for offset, type_id, access, kind in records
                if symbol.value <= offset < symbol.value + symbol.size
            )
            insns = op.decode(text.data[symbol.value : symbol.value + symbol.size])
            yield ProgramSpec(symbol.name, TEXT, insns, (), core, (), (), ((symbol.name, 0),))
