import pytest

from beepy.btf.types import TypeId
from beepy.errors import ElfError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.linker import MAX_INSNS, link
from beepy.obj.spec import CallRef, CoreRef, FuncInfo, FunctionSpec, LineInfo, MapRef, Ref
from tests.support.objects import CALL_SUB, EXIT, NOP
from tests.support.refusal import refused


def function(
    name: str, offset: int, insns: tuple[Insn, ...], *refs: Ref, section: str = ".text"
) -> FunctionSpec:
    return FunctionSpec(name, section, offset, insns, refs, (), (), (), True)


def entry(*refs: Ref, insns: tuple[Insn, ...] = (CALL_SUB, EXIT)) -> FunctionSpec:
    return function("prog", 0, insns, *refs, section="xdp")


def test_a_program_alone() -> None:
    program = link(entry(MapRef(0, "m"), insns=(NOP, EXIT)), {0: function("sub", 0, (EXIT,))})
    assert (program.name, program.section, program.insns) == ("prog", "xdp", (NOP, EXIT))
    assert (program.refs, program.functions) == ((MapRef(0, "m"),), (("prog", 0),))


def test_functions_are_appended_depth_first_and_once() -> None:
    """As libbpf does: prog calls a and c, both call b."""
    subs = {
        0: function("a", 0, (NOP, CALL_SUB, EXIT), CallRef(1, 3)),
        3: function("b", 3, (EXIT,)),
        4: function("c", 4, (CALL_SUB, EXIT), CallRef(0, 3)),
        6: function("unused", 6, (EXIT,)),
    }
    program = link(entry(CallRef(0, 0), CallRef(1, 4), insns=(CALL_SUB, CALL_SUB, EXIT)), subs)
    assert program.functions == (("prog", 0), ("a", 3), ("b", 6), ("c", 7))
    calls = [(at, at + 1 + insn.imm) for at, insn in enumerate(program.insns) if insn.call]
    assert calls == [(0, 3), (1, 7), (4, 6), (7, 6)]
    assert program.refs == ()


def test_a_callback_keeps_its_two_slots() -> None:
    load = Insn(op.LD_IMM64, dst=2)
    program = link(
        entry(CallRef(0, 0), insns=(load, Insn(0), EXIT)), {0: function("callback", 0, (EXIT,))}
    )
    assert program.insns == (Insn(op.LD_IMM64, 2, op.PSEUDO_FUNC, imm=2), Insn(0), EXIT, EXIT)


def test_recursion_is_the_verifiers_to_refuse() -> None:
    program = link(entry(CallRef(0, 0)), {0: function("loop", 0, (CALL_SUB, EXIT), CallRef(0, 0))})
    assert program.insns == (CALL_SUB._replace(imm=1), EXIT, CALL_SUB._replace(imm=-1), EXIT)


def test_everything_moves_along() -> None:
    sub = FunctionSpec(
        "sub", ".text", 8, (NOP, NOP, EXIT), (MapRef(1, "m"),), (CoreRef(1, TypeId(1), "0", 0),),
        (FuncInfo(0, TypeId(2)),), (LineInfo(2, 1, 2, 3),), False,
    )  # fmt: skip
    first = entry(CallRef(0, 8))._replace(
        func_infos=(FuncInfo(0, TypeId(1)),), line_infos=(LineInfo(1, 4, 5, 6),)
    )
    program = link(first, {8: sub})
    assert program.refs == (MapRef(3, "m"),)
    assert program.core == (CoreRef(3, TypeId(1), "0", 0),)
    assert program.func_infos == (FuncInfo(0, TypeId(1)), FuncInfo(2, TypeId(2)))
    assert program.line_infos == (LineInfo(1, 4, 5, 6), LineInfo(4, 1, 2, 3))


def test_a_long_chain_of_calls() -> None:
    count = 20_000
    subs = {at: function(f"f{at}", at, (CALL_SUB,), CallRef(0, at + 1)) for at in range(count)}
    subs[count] = function("last", count, (EXIT,))
    assert len(link(entry(CallRef(0, 0)), subs).functions) == count + 2


@pytest.mark.parametrize("offset", [1, -1])
def test_a_call_to_no_function(offset: int) -> None:
    with refused(
        ElfError, f"program 'prog': instruction 0: no function begins at .text + {offset * 8}"
    ):
        link(entry(CallRef(0, offset)), {0: function("sub", 0, (NOP, EXIT))})


def test_too_long() -> None:
    with refused(ElfError, f"program 'prog': more than {MAX_INSNS} instructions"):
        link(entry(CallRef(0, 0)), {0: function("sub", 0, (NOP,) * MAX_INSNS)})
