import pytest

from beepy.errors import RewriteError
from beepy.obj.insn import CALL, EXIT, MOV64_IMM, Insn
from beepy.obj.spec import DataRef, ProgramSpec
from beepy.rewrite import shed
from beepy.shedding import MAX, apply, next_divisor
from beepy.uapi import HELPERS
from tests.support.specs import spec


def program(section: str, *insns: Insn) -> ProgramSpec:
    body = (*insns, Insn(MOV64_IMM), Insn(EXIT))
    return ProgramSpec("p", section, body, (), (), (), (), (("p", 0),))


def test_programs_that_only_look_ask_for_their_thread() -> None:
    (changed,) = apply([spec()._replace(programs=(program("kprobe/x"),))])
    assert [map_spec.name for map_spec in changed.maps] == [shed.MAP]
    (only,) = changed.programs
    assert [ref for ref in only.refs if isinstance(ref, DataRef)] == [DataRef(2, shed.MAP, 0)]
    assert only.insns[-2:] == (Insn(MOV64_IMM), Insn(EXIT))  # where other threads end


@pytest.mark.parametrize(
    ("section", "helper", "why"),
    [
        ("xdp", "", "it may change packets"),
        ("kprobe/x", "send_signal", "it may change signals to processes"),
        ("iter/task", "", "it has to run each time"),
        ("unknown", "", "it may change what programs of section 'unknown' change"),
    ],
)
def test_programs_that_change_something_are_refused(section: str, helper: str, why: str) -> None:
    call = [Insn(CALL, imm=HELPERS.index(helper))] if helper else []
    with pytest.raises(RewriteError, match=f"program 'p': {why}$"):
        apply([spec()._replace(programs=(program(section, *call),))])


def test_the_divisor_follows_the_cost() -> None:
    assert next_divisor(1, 0.02, 0.02) == 1
    assert next_divisor(1, 0.021, 0.02) == 2
    assert next_divisor(4, 0.021, 0.02) == 8
    assert next_divisor(1, 0.5, 0.02) == 32
    assert next_divisor(MAX, 0.5, 0.02) == MAX
    assert next_divisor(8, 0.007, 0.02) == 4
    assert next_divisor(8, 0.009, 0.02) == 8
    assert next_divisor(1, 0.0, 0.02) == 1
