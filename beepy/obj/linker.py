"""Link programs: append every function that an entry reaches to it, once, as libbpf does."""

from collections.abc import Iterator, Mapping
from typing import Final

from beepy.errors import ElfError
from beepy.obj.insn import PSEUDO_FUNC, Insn
from beepy.obj.spec import CallRef, FunctionSpec, JumpTableRef, LineInfo, ProgramSpec, Ref
from beepy.text import safe

MAX_INSNS: Final = 1_000_000  # of one program: the kernel's BPF_COMPLEXITY_LIMIT_INSNS, v5.2


def link(
    entry: FunctionSpec, subprograms: Mapping[int, FunctionSpec], callback: int | None = None
) -> ProgramSpec:
    """Return ``entry`` with the subprograms that it reaches, in depth-first order.

    ``subprograms`` are by their offset in .text. ``callback`` is the offset of a subprogram that
    nothing calls: it comes last, with all that it reaches. Calls become relative; all other refs,
    CO-RE relocations and infos move along. Raises ElfError for a call to an address where no
    function begins, and for a program beyond ``MAX_INSNS``.
    """
    where = f"program '{safe(entry.name)}'"
    functions = [entry]
    starts: dict[int, int] = {}  # offset in .text -> index in the program
    size = len(entry.insns)
    last = [] if callback is None else [CallRef(0, callback)]
    pending = [iter(last), _calls(entry)]
    while pending:
        call = next(pending[-1], None)
        if call is None:
            pending.pop()
        elif call.offset not in starts:
            callee = subprograms.get(call.offset)
            if callee is None:
                address = f".text + {call.offset * 8}"
                raise ElfError(f"{where}: instruction {call.insn}: no function begins at {address}")
            starts[call.offset] = size
            functions.append(callee)
            size += len(callee.insns)
            pending.append(_calls(callee))
        if size > MAX_INSNS:
            raise ElfError(f"{where}: more than {MAX_INSNS} instructions")
    if len(functions) == 1:
        return _alone(entry)
    return _joined(entry, functions, starts)


def _calls(function: FunctionSpec) -> Iterator[CallRef]:
    return (ref for ref in function.refs if isinstance(ref, CallRef))


def _alone(entry: FunctionSpec) -> ProgramSpec:
    return ProgramSpec(
        name=entry.name,
        section=entry.section,
        insns=entry.insns,
        refs=entry.refs,
        core=entry.core,
        func_infos=entry.func_infos,
        line_infos=entry.line_infos,
        functions=((entry.name, 0),),
    )


def _joined(
    entry: FunctionSpec, functions: list[FunctionSpec], starts: Mapping[int, int]
) -> ProgramSpec:
    insns: list[Insn] = []
    refs: list[Ref] = []
    core, func_infos, line_infos, names = [], [], [], []
    for function in functions:
        base = len(insns)
        names.append((function.name, base))
        insns += function.insns
        tables: dict[int, tuple[int, ...]] = {}
        for ref in function.refs:
            if isinstance(ref, CallRef):
                at = base + ref.insn
                insns[at] = _calling(insns[at], starts[ref.offset] - at - 1)
            elif isinstance(ref, JumpTableRef):
                # refs to one table share its targets, here and in the result
                if id(ref.targets) not in tables:
                    tables[id(ref.targets)] = tuple([base + target for target in ref.targets])
                refs.append(JumpTableRef(base + ref.insn, tables[id(ref.targets)]))
            else:
                refs.append(ref._replace(insn=base + ref.insn))
        core += [core_ref._replace(insn=base + core_ref.insn) for core_ref in function.core]
        func_infos += [info._replace(insn=base + info.insn) for info in function.func_infos]
        line_infos += [LineInfo(base + at, *words) for at, *words in function.line_infos]
    return ProgramSpec(
        name=entry.name,
        section=entry.section,
        insns=tuple(insns),
        refs=tuple(refs),
        core=tuple(core),
        func_infos=tuple(func_infos),
        line_infos=tuple(line_infos),
        functions=tuple(names),
    )


def _calling(insn: Insn, distance: int) -> Insn:
    return insn._replace(src=PSEUDO_FUNC if insn.wide else insn.src, imm=distance)
