import pytest

from beepy.btf.types import Linkage
from beepy.errors import ElfError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from tests.support.elf import HIDDEN
from tests.support.objects import CALL_SUB, EXIT, NOP, Object
from tests.support.refusal import refused

INT = 1


def throwing(visibility: int = 0) -> tuple[Object, int]:
    """Return an object and its program's type; .text has ``other``, ``catch`` and ``below``."""
    one = Object()
    one.program(NOP, EXIT)
    one.elf.function("other", ".text", [NOP, NOP, EXIT])
    one.elf.function("catch", ".text", [CALL_SUB, EXIT], visibility=visibility)
    one.calls(one.elf.function("below", ".text", [EXIT]), 3, ".text")
    return one, one.btf.func("prog", one.btf.func_proto(INT))


def test_what_catches_is_part_of_the_program_though_nothing_calls_it() -> None:
    one, prog = throwing()
    one.btf.decl_tag("exception_callback:catch", prog)
    (program,) = one.parsed().programs
    assert program.functions == (("prog", 0), ("catch", 2), ("below", 4))
    assert program.insns == (NOP, EXIT, Insn(op.CALL, src=op.PSEUDO_CALL, imm=1), EXIT, EXIT)


def test_other_tags_and_other_programs() -> None:
    one, prog = throwing()
    one.program(name="second", section="tracepoint/c/d")
    one.btf.decl_tag("exception_callback", prog)
    one.btf.decl_tag("exception_callback:catch", one.btf.func("second", one.btf.func_proto(INT)))
    assert [program.functions for program in one.parsed().programs] == [
        (("prog", 0),),
        (("second", 0), ("catch", 1), ("below", 3)),
    ]


def test_of_two_that_catch_the_verifier_tells() -> None:
    one, prog = throwing()
    one.btf.decl_tag("exception_callback:catch", prog)
    one.btf.decl_tag("exception_callback:other", prog)
    (program,) = one.parsed().programs
    assert program.functions == (("prog", 0),)


@pytest.mark.parametrize(
    ("name", "visibility"), [("prog", 0), ("nobody", 0), ("", 0), ("\x1b", 0), ("catch", HIDDEN)]
)
def test_what_catches_is_a_global_subprogram(name: str, visibility: int) -> None:
    one, prog = throwing(visibility)
    one.btf.decl_tag(f"exception_callback:{name}", prog)
    shown = "\\x1b" if name == "\x1b" else name
    with refused(
        ElfError,
        f"object: program 'prog': exception_callback:{shown}: not a global function in .text",
    ):
        one.parsed()


def test_what_is_tagged_is_a_global_function() -> None:
    for linkage in (None, Linkage.STATIC):
        one, _ = throwing()
        tagged = INT if linkage is None else one.btf.func("prog", one.btf.func_proto(INT), linkage)
        one.btf.decl_tag("exception_callback:catch", tagged)
        with refused(
            ElfError,
            f"object: exception_callback:catch: tagged type {tagged} is not a global function",
        ):
            one.parsed()
