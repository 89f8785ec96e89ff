import pytest

from beepy.errors import RewriteError
from beepy.obj.insn import CALL, DW, EXIT, MEM, MOV64_IMM, ST, Insn, jumps
from beepy.obj.spec import MapRef, ProgramSpec
from beepy.rewrite.prologue import Ancestor, Choice, entry
from beepy.rewrite.select import CGROUPS, NAMES, PIDS, Selection, apply, contents
from beepy.uapi import HELPERS, MapType
from tests.support.specs import spec

BODY = (Insn(MOV64_IMM), Insn(EXIT))


def program(name: str, section: str) -> ProgramSpec:
    return ProgramSpec(name, section, BODY, (), (), (), (), ((name, 0),))


def called(changed: ProgramSpec) -> list[str]:
    return [HELPERS[insn.imm] for insn in changed.insns if insn.code == CALL]


def test_one_value_is_in_the_code_and_several_are_keys_of_a_map() -> None:
    object_ = spec()._replace(programs=(program("p", "raw_tp/x"), program("q", "raw_tp/y")))
    one = apply(object_, Selection(pids=(7,)), ["p"])
    assert one.maps == ()
    assert any(insn.imm == 7 and jumps(insn.code) for insn in one.programs[0].insns)
    assert one.programs[1] == object_.programs[1]
    several = apply(object_, Selection(pids=(7, 8), names=(b"a", b"bc")), ["p"])
    assert {m.name: (m.type, m.key_size, m.max_entries) for m in several.maps} == {
        PIDS: (MapType.HASH, 4, 2),
        NAMES: (MapType.HASH, 16, 2),
    }
    assert [ref.map for ref in several.programs[0].refs if isinstance(ref, MapRef)] == [PIDS, NAMES]
    assert dict(contents(Selection(pids=(7, 256), names=(b"a", b"bc")))) == {
        PIDS: [b"\x07\0\0\0", b"\0\1\0\0"],
        NAMES: [b"a".ljust(16, b"\0"), b"bc".ljust(16, b"\0")],
    }


def test_each_cgroup_is_asked_for_and_one_is_enough() -> None:
    code = entry(Choice(cgroups=CGROUPS, cgroup_count=3))
    checks = [at for at, insn in enumerate(code.near) if insn.code == CALL]
    assert len(checks) == 3
    passed = {at + 2 + code.near[at + 1].off for at in checks[:-1]}
    assert passed == {len(code.near) - 1}  # where the context is restored
    assert checks[-1] + 2 + code.near[checks[-1] + 1].off == len(code.near)  # far: skipped


def test_what_the_kernel_leaves_behind_a_name_is_not_compared() -> None:
    code = entry(Choice(names=b"a"))
    call = next(at for at, insn in enumerate(code.near) if insn.code == CALL)
    zeroed = [insn.off for insn in code.near[:call] if insn.code == ST | MEM | DW and not insn.imm]
    assert zeroed == [-16, -8]


def test_programs_that_may_sleep_ask_for_the_ids_of_cgroups() -> None:
    object_ = spec()._replace(programs=(program("p", "lsm.s/x"), program("q", "lsm/x")))
    selection = Selection(cgroups=("/a", "/b/c"), ancestors=(Ancestor(1, 7), Ancestor(2, 1 << 40)))
    asleep, awake = apply(object_, selection, ["p", "q"]).programs
    assert called(asleep) == ["get_current_ancestor_cgroup_id"] * 2
    assert called(awake) == ["current_task_under_cgroup"] * 2
    assert not asleep.refs
    with pytest.raises(RewriteError, match="program 'p' may sleep: the cgroup's depth"):
        apply(object_, selection._replace(ancestors=()), ["p"])


def test_the_ends_of_execve_agree_by_what_was_noted_at_its_beginning() -> None:
    enter = program("enter", "tracepoint/syscalls/sys_enter_execve")
    leave = program("leave", "tracepoint/syscalls/sys_exit_execve")
    both = apply(
        spec()._replace(programs=(enter, leave)), Selection(names=(b"a",)), ["enter", "leave"]
    )
    assert called(both.programs[0]) == [
        "get_current_comm",
        "get_current_pid_tgid",
        "map_update_elem",
    ]
    assert called(both.programs[1]) == [
        "get_current_pid_tgid",
        "map_lookup_elem",
        "map_delete_elem",
    ]
    assert [m.type for m in both.maps] == [MapType.LRU_HASH]
    alone = apply(spec()._replace(programs=(enter,)), Selection(names=(b"a",)), ["enter"])
    assert called(alone.programs[0]) == ["get_current_comm"]
    assert alone.maps == ()
