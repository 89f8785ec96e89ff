import pytest

from beepy.collection import targets
from beepy.errors import UsageError
from beepy.hooks import Target
from beepy.obj.spec import CollectionSpec, ProgramSpec


def spec(**sections: str) -> CollectionSpec:
    programs = tuple(ProgramSpec(name, section, (), (), (), (), (), ((name, 0),)) for name, section in sections.items())
    return CollectionSpec("image", "elf", {}, "GPL", 0, programs, (), (), (), None)


def test_sections_say_where() -> None:
    chosen = targets.choose([spec(a="kprobe/do_exit", b="xdp"), spec(c="?tracepoint/sched/sched_switch")], {}, Target())
    assert chosen == [{"a": Target("do_exit"), "b": Target("")}, {"c": Target("sched/sched_switch")}]


def test_the_user_overrules() -> None:
    common = Target(pid=7, iface="eth0")
    (chosen,) = targets.choose([spec(a="kprobe/do_exit", b="kprobe/x")], targets.parse(["a=do_fork"]), common)
    assert chosen == {"a": common._replace(name="do_fork"), "b": common._replace(name="x")}


def test_an_equals_sign_in_a_target() -> None:
    assert targets.parse(["a=/bin/x:f=g", "b=1"]) == {"a": "/bin/x:f=g", "b": "1"}


@pytest.mark.parametrize("text", ["", "a", "a=", "=b"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--attach '{text}': expected PROGRAM=TARGET$"):
        targets.parse([text])


def test_a_program_that_nobody_has() -> None:
    with pytest.raises(UsageError, match=r"^--attach: program 'x': there is only a, b$"):
        targets.choose([spec(b="xdp", a="tc")], {"x": "y"}, Target())
