import pytest

from beepy.collection import targets
from beepy.errors import UsageError
from beepy.hooks import Target
from beepy.obj.spec import CollectionSpec, ProgramSpec


def spec(**sections: str) -> CollectionSpec:
    programs = tuple(ProgramSpec(name, section, (), (), (), (), (), ((name, 0),)) for name, section in sections.items())
    return CollectionSpec("image", "elf", {}, "GPL", programs, (), (), (), None)


def test_sections_say_where() -> None:
    chosen = targets.choose([spec(a="kprobe/do_exit", b="xdp"), spec(c="?tracepoint/sched/sched_switch")], {}, Target())
    assert chosen == [{"a": Target("do_exit"), "b": Target("")}, {"c": Target("sched/sched_switch")}]


def test_the_user_overrules() -> None:
    common = Target(pid=7, iface="eth0")
    specs = [spec(a="kprobe/do_exit", b="kprobe/x", c="xdp", d="uprobe")]
    (chosen,) = targets.choose(specs, targets.parse(["a=do_fork"]), common)
    assert chosen == {
        "a": common._replace(name="do_fork"),
        "b": common._replace(name="x"),
        "c": common,
        "d": common,
    }


def test_an_equals_sign_in_a_target() -> None:
    assert targets.parse(["a=/bin/x:f=g", "b=1"]) == {"a": "/bin/x:f=g", "b": "1"}


@pytest.mark.parametrize("text", ["", "a", "a=", "=b"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--attach '{text}': expected PROGRAM=TARGET$"):
        targets.parse([text])


def test_a_program_that_nobody_has() -> None:
    with pytest.raises(UsageError, match=r"^--attach: program 'x': there is only a, b$"):
        targets.choose([spec(b="xdp", a="tc")], {"x": "y"}, Target())


@pytest.mark.parametrize(
    ("common", "told", "kinds"),
    [
        (Target(pid=7), "--pid: image, image: no program takes it", "uprobe, uretprobe, usdt, perf_event, iter"),
        (Target(iface="lo"), "--iface: image, image: no program takes it", "socket, tc, tcx, classifier, netkit, xdp"),
        (Target(cgroup="/x"), "--cgroup: image, image: no program takes it", "lsm_cgroup, cgroup_skb, cgroup, sockops"),
    ],
)
def test_what_no_program_reads(common: Target, told: str, kinds: str) -> None:
    with pytest.raises(UsageError) as caught:
        targets.choose([spec(a="kprobe/x"), spec(b="sk_lookup", c="tp/a/b")], {}, common)
    assert str(caught.value) == told
    assert set(kinds.split(", ")) <= set(caught.value.__notes__[0].removeprefix("it is for sections ").split(", "))
