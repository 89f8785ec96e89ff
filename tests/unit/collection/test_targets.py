import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.collection import targets
from beepy.collection.unknown_section import unknown_section
from beepy.errors import UnsupportedSection, UsageError
from beepy.hooks import Target, describe_target
from beepy.obj.spec import CollectionSpec, ProgramSpec, VariableSpec
from tests.support import told
from tests.support.told import message


def spec(**sections: str) -> CollectionSpec:
    programs = tuple(
        ProgramSpec(name, section, (), (), (), (), (), ((name, 0),))
        for name, section in sections.items()
    )
    return CollectionSpec("image", "GPL", programs, (), (), (), None)


def test_sections_say_where() -> None:
    chosen = targets.choose(
        [spec(a="kprobe/do_exit", b="xdp"), spec(c="?tracepoint/sched/sched_switch")], {}, Target()
    )
    assert chosen == [
        {"a": Target("do_exit"), "b": Target("")},
        {"c": Target("sched/sched_switch")},
    ]


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


def test_an_interface_overrides_that_of_a_section() -> None:
    specs = [spec(a="xdp/eth0", b="perf_event/cs")]
    assert targets.choose(specs, {}, Target()) == [{"a": Target("eth0"), "b": Target("cs")}]
    lo = Target(iface="lo")
    (chosen,) = targets.choose(specs, {}, lo)
    assert chosen == {"a": lo, "b": lo._replace(name="cs")}
    assert describe_target("xdp/eth0", chosen["a"]) == "xdp (iface lo)"
    (chosen,) = targets.choose(specs, {"a": "eth1"}, lo)
    assert describe_target("xdp/eth0", chosen["a"]) == "xdp/eth1 (iface lo)"


def test_two_sections_with_one_interface() -> None:
    two = [spec(allow="xdp/lo", drop="xdp/lo")]
    with pytest.raises(UsageError, match="xdp lo: an interface takes one XDP program"):
        targets.choose(two, {}, Target())
    with pytest.raises(UsageError, match="xdp eth0: an interface takes one XDP program"):
        targets.choose([spec(a="xdp/first", b="xdp/second")], {}, Target(iface="eth0"))


def test_an_equals_sign_in_a_target() -> None:
    assert targets.parse(["a=/bin/x:f=g", "b=1"]) == {"a": "/bin/x:f=g", "b": "1"}


@pytest.mark.parametrize("text", ["", "a", "a=", "=b"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--attach '{text}': expected PROGRAM=TARGET$"):
        targets.parse([text])


def test_a_program_that_nobody_has() -> None:
    with pytest.raises(UsageError, match=r"^targets: program 'x': known programs: a, b$"):
        targets.choose([spec(b="xdp", a="tc")], {"x": "y"}, Target())


@pytest.mark.parametrize(
    ("common", "told", "kinds"),
    [
        (
            Target(pid=7),
            "--pid: image, image: not used by any program",
            "uprobe, uretprobe, usdt, perf_event, iter",
        ),
        (
            Target(iface="lo"),
            "--iface: image, image: not used by any program",
            "socket, tc, tcx, classifier, netkit, xdp",
        ),
        (
            Target(cgroup="/x"),
            "--cgroup: image, image: not used by any program",
            "lsm_cgroup, cgroup_skb, cgroup, sockops",
        ),
    ],
)
def test_what_no_program_reads(common: Target, told: str, kinds: str) -> None:
    with pytest.raises(UsageError) as caught:
        targets.choose([spec(a="kprobe/x"), spec(b="sk_lookup", c="tp/a/b")], {}, common)
    assert message(caught.value) == told
    assert set(kinds.split(", ")) <= set(
        caught.value.__notes__[0].removeprefix("it is for sections ").split(", ")
    )


def with_pid(spec: CollectionSpec, name: str = "target_pid") -> CollectionSpec:
    writer = BtfWriter()
    variable = VariableSpec(name, ".rodata", writer.integer(), 0, 4, True)
    return spec._replace(variables=(variable,), btf=Btf(writer.data()))


def test_what_a_program_takes_is_given_to_it_whatever_the_variables() -> None:
    (chosen,) = targets.choose([with_pid(spec(a="uprobe"))], {}, Target(pid=7))
    assert chosen == {"a": Target("", pid=7)}


@pytest.mark.parametrize("common", [Target(iface="lo"), Target(pid=1), Target(cgroup="/x")])
def test_an_option_is_not_refused_where_a_section_is_unknown(common: Target) -> None:
    with pytest.raises(
        UnsupportedSection, match="program 'b': section 'sockett1': no program type is known"
    ):
        targets.choose([spec(a="kprobe/x", b="sockett1")], {}, common)
    with pytest.raises(UsageError):  # it is not to be loaded
        targets.choose([spec(a="kprobe/x", b="?sockett1")], {}, common)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("sockett1", ', expected SEC("socket")'),
        ("xdp.x/lo", ', expected SEC("xdp")'),
        ("kprobes/f", ', expected SEC("kprobe/f")'),
        ("kprob/x", ', expected SEC("kprobe/x")'),
        ("kprobe.x/f", ', expected SEC("kprobe/f")'),
        ("tcpconnect", ""),
        ("nobody/knows", ""),
        ("", ""),
        ("\x1b[2J", ""),
    ],
)
def test_what_is_said_of_an_unknown_section(section: str, expected: str) -> None:
    alone, other = spec(a=f"?{section}"), spec(a=section, b="xdp", c="?tc")
    error = unknown_section(alone, alone.programs[0])
    assert str(error).isprintable()
    assert str(error).endswith(f": no program type is known by that name{expected}")
    assert told.notes(error) == []
    assert (
        told.notes(unknown_section(other, other.programs[0]))[-1]
        == "the others run without it: --prog b"
    )


def test_two_xdp_programs_on_one_interface() -> None:
    specs = [spec(allow="xdp", drop="xdp.frags", entry="xdp/devmap")]
    with pytest.raises(UsageError) as caught:
        targets.choose(specs, {}, Target(iface="lo"))
    assert (
        str(caught.value)
        == "programs 'allow' and 'drop': xdp lo: an interface takes one XDP program"
    )
    note = "--prog allow runs only that program; --attach drop=NAME puts it on another interface"
    assert told.notes(caught.value) == [note]
    assert targets.choose(specs, {"drop": "eth0"}, Target(iface="lo"))
    # No interface is given: attaching reports that.
    assert targets.choose(specs, {}, Target())
    assert targets.choose([spec(allow="xdp", drop="?xdp")], {}, Target(iface="lo"))


def test_two_images_on_one_interface() -> None:
    with pytest.raises(UsageError) as caught:
        targets.choose([spec(a="xdp"), spec(b="xdp")], {"b": "lo", "a": "lo"}, Target())
    assert told.notes(caught.value) == ["--attach b=NAME puts it on another interface"]
