from collections.abc import Sequence

import pytest

from beepy.analysis import requirements
from beepy.analysis.requirements import Capability
from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.sections import KSYMS
from beepy.obj.spec import (
    CollectionSpec,
    DataRef,
    ExternRef,
    ExternSpec,
    JumpTableRef,
    MapRef,
    MapSpec,
    ProgramSpec,
    Ref,
    Role,
    Tracked,
)
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import HELPERS, MapFlag, MapType

EXIT = Insn(op.EXIT)
MOV = Insn(0xB7)
INT, FUNC = TypeId(1), TypeId(3)  # in the types of spec_of()


def calling(name: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(name))


def program(section: str, *insns: Insn, refs: Sequence[Ref] = (), name: str = "one") -> ProgramSpec:
    return ProgramSpec(name, section, (*insns, MOV, EXIT), tuple(refs), (), (), (), ((name, 0),))


def spec_of(
    *programs: ProgramSpec, maps: Sequence[MapSpec] = (), externs: Sequence[ExternSpec] = ()
) -> CollectionSpec:
    writer = BtfWriter()
    writer.integer()
    writer.func_proto(1)
    writer.func("f", 2)
    return CollectionSpec("x", "GPL", programs, tuple(maps), (), tuple(externs), Btf(writer.data()))


def whole(
    *programs: ProgramSpec, maps: Sequence[MapSpec] = (), externs: Sequence[ExternSpec] = ()
) -> requirements.Requirements:
    return requirements.of_collection(spec_of(*programs, maps=maps, externs=externs))[0]


def kfunc(name: str, *, weak: bool = False) -> ExternSpec:
    return ExternSpec(name, KSYMS, FUNC, weak, function=True)


def variable(name: str, type_id: TypeId) -> ExternSpec:
    return ExternSpec(name, KSYMS, type_id, weak=False, function=False)


def names(needs: requirements.Requirements) -> tuple[str, ...]:
    return tuple(item.name for item in needs.capabilities)


def test_the_newest_feature_decides() -> None:
    needs = whole(
        program(
            "raw_tp",
            calling("ktime_get_ns"),
            calling("loop"),
            calling("strncmp"),
            calling("map_pop_elem"),
        )
    )
    assert (needs.kernel, needs.because) == ("5.17", ("helper loop", "helper strncmp"))
    assert names(needs) == ("CAP_BPF", "CAP_PERFMON")
    assert not needs.types


@pytest.mark.parametrize(
    ("section", "kernel", "capabilities", "types"),
    [
        ("socket", "3.19", ("CAP_BPF", "CAP_NET_RAW"), False),
        ("kprobe/x", "4.1", ("CAP_BPF", "CAP_PERFMON"), False),
        ("tp/a/b", "4.7", ("CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_PERFMON"), False),
        ("xdp", "4.8", ("CAP_BPF", "CAP_NET_ADMIN"), False),  # its attach type is optional
        ("xdp/devmap", "5.8", ("CAP_BPF", "CAP_NET_ADMIN"), False),
        ("xdp.frags", "5.18", ("CAP_BPF", "CAP_NET_ADMIN"), False),
        ("tc", "4.1", ("CAP_BPF", "CAP_NET_ADMIN"), False),
        ("tcx/ingress", "4.1", ("CAP_BPF", "CAP_NET_ADMIN"), False),  # else attached by netlink
        ("netkit/peer", "6.7", ("CAP_BPF", "CAP_NET_ADMIN"), False),
        ("cgroup/connect_unix", "6.7", ("CAP_BPF", "CAP_NET_ADMIN"), False),
        ("cgroup_skb/egress", "4.10", ("CAP_BPF", "CAP_NET_ADMIN"), False),
        ("fentry/x", "5.5", ("CAP_BPF", "CAP_PERFMON"), True),
        ("fentry.s/x", "5.10", ("CAP_BPF", "CAP_PERFMON"), True),
        ("lsm/x", "5.7", ("CAP_BPF", "CAP_PERFMON"), True),
        ("uprobe.s/x", "6.0", ("CAP_SYS_ADMIN",), False),
        ("usdt/x", "4.1", ("CAP_SYS_ADMIN",), False),
        ("uprobe.multi/x", "6.6", ("CAP_BPF", "CAP_PERFMON"), False),
        ("kprobe.multi/x", "5.18", ("CAP_BPF", "CAP_PERFMON"), False),
        ("kprobe.multi/x*", "5.18", ("CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_PERFMON"), False),
        ("fentry/vmlinux:x", "5.5", ("CAP_BPF", "CAP_PERFMON"), True),
        ("fentry/nf_tables:x", "5.5", ("CAP_SYS_ADMIN",), True),
        ("kprobe.session/x", "6.10", ("CAP_BPF", "CAP_PERFMON"), False),
        ("freplace/x", "5.6", ("CAP_SYS_ADMIN",), False),
        ("sk_reuseport", "4.19", ("CAP_SYS_ADMIN",), False),
        ("nobody/knows", "", ("CAP_BPF",), False),
    ],
)
def test_sections(section: str, kernel: str, capabilities: tuple[str, ...], types: bool) -> None:
    needs = whole(program(section))
    assert (needs.kernel, names(needs), needs.types) == (kernel, capabilities, types)


def test_a_feature_with_a_fallback_needs_no_newer_kernel() -> None:
    needs = whole(
        program(
            "raw_tp",
            calling("probe_read_kernel"),
            calling("probe_read_user_str"),
            calling("ktime_get_boot_ns"),
        )
    )
    assert needs.kernel == "4.17"


def test_a_helper_may_need_more_capabilities() -> None:
    needs = whole(program("raw_tp", calling("probe_write_user")))
    assert needs.capabilities == (Capability("CAP_SYS_ADMIN", "helper probe_write_user"),)


@pytest.mark.parametrize(
    ("spec", "feature", "kernel"),
    [
        (MapSpec("m", ".maps", MapType.HASH, 4, 4, 1), "", "4.17"),
        (MapSpec("m", ".maps", MapType.RINGBUF, 0, 0, 4096), "map type ringbuf", "5.8"),
        (
            MapSpec("m", ".maps", MapType.ARRAY, 4, 4, 1, flags=MapFlag.MMAPABLE),
            "map flag MMAPABLE",
            "5.5",
        ),
        (
            MapSpec(".data", ".data", MapType.ARRAY, 4, 4, 1, contents=b""),
            "global variables",
            "5.2",
        ),
        (
            MapSpec(
                ".rodata",
                ".rodata",
                MapType.ARRAY,
                4,
                4,
                1,
                flags=MapFlag.RDONLY_PROG,
                contents=b"",
            ),
            "global variables",
            "5.2",
        ),
        (MapSpec("m", ".maps", 99), "", "4.17"),
    ],
)
def test_maps(spec: MapSpec, feature: str, kernel: str) -> None:
    needs = whole(program("raw_tp"), maps=[spec])
    assert (needs.kernel, needs.because) == (kernel, (feature or "program type raw_tracepoint",))


def test_a_map_counts_for_the_programs_that_use_it() -> None:
    ring = MapSpec("ring", ".maps", MapType.RINGBUF, 0, 0, 4096)
    sockets = MapSpec("sockets", ".maps", MapType.SOCKMAP, 4, 4, 1)
    using = program("raw_tp", refs=[MapRef(0, "ring")], name="using")
    other = program("raw_tp", refs=[DataRef(0, ".data", 0)], name="other")
    needs, programs = requirements.of_collection(spec_of(using, other, maps=[ring, sockets]))
    assert (programs["using"].kernel, programs["other"].kernel, needs.kernel) == (
        "5.8",
        "5.2",
        "5.8",
    )
    assert names(programs["using"]) == ("CAP_BPF", "CAP_PERFMON")
    assert names(needs) == ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON")


def test_jump_tables() -> None:
    needs = whole(program("raw_tp", refs=[JumpTableRef(0, (1, 2))]))
    assert (needs.kernel, needs.because) == ("6.19", ("jump tables",))


def test_programs_without_autoload_do_not_count_for_the_object() -> None:
    needs, programs = requirements.of_collection(
        spec_of(program("?lsm/x", name="off"), program("socket"))
    )
    assert (needs.kernel, programs["off"].kernel) == ("3.19", "5.7")
    assert (needs.types, programs["off"].types) == (False, True)


@pytest.mark.parametrize(
    ("extern", "feature", "kernel", "types"),
    [
        (kfunc("bpf_task_acquire"), "kfunc bpf_task_acquire", "6.2", True),
        (kfunc("bpf_task_acquire___old"), "kfunc bpf_task_acquire___old", "6.2", True),
        (kfunc("nobody_knows"), "kfunc nobody_knows", "5.13", True),
        (kfunc("bpf_task_acquire", weak=True), "program type raw_tracepoint", "4.17", False),
        (variable("variable", INT), "kernel variable variable", "5.10", True),
        (variable("address", VOID), "program type raw_tracepoint", "4.17", False),
    ],
)
def test_symbols_of_the_kernel(extern: ExternSpec, feature: str, kernel: str, types: bool) -> None:
    needs = whole(program("raw_tp", refs=[ExternRef(0, extern.name)]), externs=[extern])
    assert (needs.kernel, needs.because, needs.types) == (kernel, (feature,), types)
    unused = whole(program("raw_tp"), externs=[extern])
    assert (unused.kernel, unused.types) == ("4.17", False)


def test_the_bundled_images() -> None:
    kernels = {
        name: requirements.of_collection(parse(bundled_store().get(name)))[0].kernel
        for name in bundled_store().names()
    }
    assert kernels["exitsnoop"] == "5.8"
    assert set(kernels.values()) <= {"5.1", "5.2", "5.8"}


def test_the_search_for_loops_is_bounded() -> None:
    """In programs beyond the bound any jump back is a loop."""
    forth_and_back = (Insn(0x05, off=1), EXIT, Insn(0x05, off=-2))
    large = (*forth_and_back, *[Insn(0x15, off=2)] * 300_000)
    _, programs = requirements.of_collection(
        spec_of(
            program("xdp", *forth_and_back, name="first"),
            program("xdp", *large, name="second"),
            program("xdp", *forth_and_back, name="third"),
        )
    )
    has_loops = {name: "loops" in needs.because for name, needs in programs.items()}
    assert has_loops == {"first": False, "second": True, "third": True}


def test_maps_in_maps_and_flags_count() -> None:
    ring = MapSpec("inner", ".maps", MapType.RINGBUF, max_entries=4096, flags=1 << 19)
    outer = MapSpec("outer", ".maps", MapType.HASH_OF_MAPS, 4, 4, 1, inner=ring)
    needs = whole(program("socket"), maps=(outer,))
    assert (needs.kernel, needs.because) == ("6.19", ("map flag 0x80000",))
    assert (
        whole(program("socket"), maps=(outer._replace(inner=ring._replace(flags=0)),)).kernel
        == "5.8"
    )
    sockets = MapSpec("inner", ".maps", MapType.SOCKMAP, 4, 4, 1)
    assert "CAP_NET_ADMIN" in names(whole(program("socket"), maps=(outer._replace(inner=sockets),)))


def test_struct_ops_needs_the_kernels_types() -> None:
    operations = MapSpec("ops", ".struct_ops", MapType.STRUCT_OPS)
    assert whole(program("socket"), maps=(operations,)).types
    assert whole(program("struct_ops/f")).types


def test_helpers_that_read_the_kernel_need_perfmon() -> None:
    assert names(whole(program("xdp", calling("trace_printk")))) == (
        "CAP_BPF",
        "CAP_NET_ADMIN",
        "CAP_PERFMON",
    )
    assert names(whole(program("syscall", calling("trace_printk")))) == ("CAP_BPF", "CAP_PERFMON")
    assert names(whole(program("xdp", calling("map_lookup_elem")))) == ("CAP_BPF", "CAP_NET_ADMIN")


def test_each_capability_has_its_reasons() -> None:
    needs = whole(program("tp/a/b", name="one"), program("kprobe/x", name="two"))
    assert needs.capabilities == (
        Capability("CAP_BPF", "load"),
        Capability("CAP_DAC_READ_SEARCH", "tracefs is readable by root only"),
        Capability("CAP_PERFMON", "tracepoint programs, kprobe programs"),
    )
    assert whole(program("cgroup_skb/egress", calling("get_current_comm"))).capabilities[1:] == (
        Capability("CAP_NET_ADMIN", "attaching cgroup_skb programs"),
        Capability("CAP_PERFMON", "helper get_current_comm"),
    )


def test_reading_a_perf_buffer_needs_perfmon() -> None:
    buffer = MapSpec("m", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4, 0)
    unread = spec_of(program("xdp"), maps=[buffer])
    assert names(requirements.of_collection(unread)[0]) == ("CAP_BPF", "CAP_NET_ADMIN")
    read = requirements.of_collection(unread._replace(tracked=(Tracked("m", Role.PRINT, VOID),)))[0]
    assert Capability("CAP_PERFMON", "perf buffers") in read.capabilities


def test_the_address_of_a_kernel_symbol_needs_syslog() -> None:
    writer = BtfWriter()
    writer.integer()
    untyped = ExternSpec("jiffies", KSYMS, VOID, weak=True, function=False)
    using = program("raw_tp", refs=[ExternRef(0, "jiffies")], name="using")
    needs, programs = requirements.of_collection(
        CollectionSpec(
            "x", "GPL", (using, program("raw_tp")), (), (), (untyped,), Btf(writer.data())
        )
    )
    assert Capability("CAP_SYSLOG", "addresses of kernel symbols") in needs.capabilities
    assert "CAP_SYSLOG" in names(programs["using"])
    assert "CAP_SYSLOG" not in names(programs["one"])
