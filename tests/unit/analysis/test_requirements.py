from collections.abc import Sequence

import pytest

from beepy.analysis import requirements
from beepy.analysis.requirements import Capability
from beepy.btf.btf import Btf
from beepy.btf.types import VOID
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


def calling(name: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(name))


def program(section: str, *insns: Insn, refs: Sequence[Ref] = (), name: str = "one") -> ProgramSpec:
    return ProgramSpec(name, section, (*insns, MOV, EXIT), tuple(refs), (), (), (), ((name, 0),))


def spec_of(*programs: ProgramSpec, maps: Sequence[MapSpec] = (), externs: Sequence[ExternSpec] = ()) -> CollectionSpec:
    writer = BtfWriter()
    writer.integer()
    writer.func_proto(1)
    writer.func("f", 2)
    return CollectionSpec("x", "GPL", programs, tuple(maps), (), tuple(externs), Btf(writer.data()))


def whole(
    *programs: ProgramSpec, maps: Sequence[MapSpec] = (), externs: Sequence[ExternSpec] = ()
) -> requirements.Requirements:
    return requirements.of_collection(spec_of(*programs, maps=maps, externs=externs))[0]


def names(found: requirements.Requirements) -> tuple[str, ...]:
    return tuple(one.name for one in found.capabilities)


def test_the_newest_thing_decides() -> None:
    found = whole(
        program("raw_tp", calling("ktime_get_ns"), calling("loop"), calling("strncmp"), calling("map_pop_elem"))
    )
    assert (found.kernel, found.because) == ("5.17", ("helper loop", "helper strncmp"))
    assert names(found) == ("CAP_BPF", "CAP_PERFMON")
    assert not found.types


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
    found = whole(program(section))
    assert (found.kernel, names(found), found.types) == (kernel, capabilities, types)


@pytest.mark.parametrize(
    ("insns", "what", "kernel"),
    [
        ([Insn(0x56, 1, off=0)], "32-bit jumps", "5.1"),
        ([MOV] * 4096, "more than 4096 instructions", "5.2"),
        ([MOV, Insn(0x55, 1, off=-2)], "loops", "5.3"),
        ([Insn(0x05, off=1), Insn(0x05, off=1), Insn(0x05, off=-2)], "", "4.17"),  # back, but to no way to here
        ([Insn(0xDB, 1, 2, 0, 0)], "", "4.17"),
        ([Insn(0xDB, 1, 2, 0, 1)], "atomic operations", "5.12"),
        ([Insn(0x18, 2, op.PSEUDO_FUNC), Insn(0)], "callbacks", "5.13"),
        ([Insn(0x81, 1, 2)], "sign-extending loads", "6.6"),
        ([Insn(0xBF, 1, 2, 8)], "sign-extending moves", "6.6"),
        ([Insn(0x3F, 1, 2, 1)], "signed division", "6.6"),
        ([Insn(0x3F, 1, 2, 0)], "", "4.17"),
        ([Insn(0xD7, 1, imm=16)], "unconditional byte swaps", "6.6"),
        ([Insn(0xD4, 1, imm=16)], "", "4.17"),
        ([Insn(0x06, imm=0)], "long jumps", "6.6"),
        ([Insn(0xBF, 1, 2, 1)], "address spaces", "6.9"),
        ([Insn(0xE5, off=0)], "may_goto", "6.9"),
        ([Insn(0xDB, 1, 2, 0, 0x100)], "load-acquire, store-release", "6.15"),
    ],
)
def test_instructions(insns: list[Insn], what: str, kernel: str) -> None:
    found = whole(program("raw_tp", *insns))
    assert (found.kernel, found.because) == (kernel, (what or "program type raw_tracepoint",))


def test_functions_of_its_own() -> None:
    found = whole(program("socket", Insn(op.CALL, src=op.PSEUDO_CALL, imm=1), EXIT))
    assert (found.kernel, found.because) == ("4.16", ("functions of its own",))


def test_what_has_an_older_way_needs_no_more() -> None:
    found = whole(
        program("raw_tp", calling("probe_read_kernel"), calling("probe_read_user_str"), calling("ktime_get_boot_ns"))
    )
    assert found.kernel == "4.17"


def test_a_helper_may_ask_for_more_capabilities() -> None:
    found = whole(program("raw_tp", calling("probe_write_user")))
    assert found.capabilities == (Capability("CAP_SYS_ADMIN", "helper probe_write_user"),)


@pytest.mark.parametrize(
    ("spec", "what", "kernel"),
    [
        (MapSpec("m", ".maps", MapType.HASH, 4, 4, 1), "", "4.17"),
        (MapSpec("m", ".maps", MapType.RINGBUF, 0, 0, 4096), "map type ringbuf", "5.8"),
        (MapSpec("m", ".maps", MapType.ARRAY, 4, 4, 1, flags=MapFlag.MMAPABLE), "map flag MMAPABLE", "5.5"),
        (MapSpec(".data", ".data", MapType.ARRAY, 4, 4, 1, contents=b""), "global variables", "5.2"),
        (
            MapSpec(".rodata", ".rodata", MapType.ARRAY, 4, 4, 1, flags=MapFlag.RDONLY_PROG, contents=b""),
            "global variables",
            "5.2",
        ),
        (MapSpec("m", ".maps", 99), "", "4.17"),
    ],
)
def test_maps(spec: MapSpec, what: str, kernel: str) -> None:
    found = whole(program("raw_tp"), maps=[spec])
    assert (found.kernel, found.because) == (kernel, (what or "program type raw_tracepoint",))


def test_a_map_counts_for_the_programs_that_use_it() -> None:
    ring = MapSpec("ring", ".maps", MapType.RINGBUF, 0, 0, 4096)
    sockets = MapSpec("sockets", ".maps", MapType.SOCKMAP, 4, 4, 1)
    using = program("raw_tp", refs=[MapRef(0, "ring")], name="using")
    other = program("raw_tp", refs=[DataRef(0, ".data", 0)], name="other")
    found, programs = requirements.of_collection(spec_of(using, other, maps=[ring, sockets]))
    assert (programs["using"].kernel, programs["other"].kernel, found.kernel) == ("5.8", "5.2", "5.8")
    assert names(programs["using"]) == ("CAP_BPF", "CAP_PERFMON")
    assert names(found) == ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON")


def test_jump_tables() -> None:
    found = whole(program("raw_tp", refs=[JumpTableRef(0, (1, 2))]))
    assert (found.kernel, found.because) == ("6.19", ("jump tables",))


def test_programs_that_are_not_loaded_do_not_count() -> None:
    found, programs = requirements.of_collection(spec_of(program("?lsm/x", name="off"), program("socket")))
    assert (found.kernel, programs["off"].kernel) == ("3.19", "5.7")
    assert (found.types, programs["off"].types) == (False, True)


@pytest.mark.parametrize(
    ("extern", "what", "kernel", "types"),
    [
        (ExternSpec("bpf_task_acquire", ".ksyms", 3, False, True), "kfunc bpf_task_acquire", "6.2", True),  # type: ignore[arg-type]
        (ExternSpec("bpf_task_acquire___old", ".ksyms", 3, False, True), "kfunc bpf_task_acquire___old", "6.2", True),  # type: ignore[arg-type]
        (ExternSpec("nobody_knows", ".ksyms", 3, False, True), "kfunc nobody_knows", "5.13", True),  # type: ignore[arg-type]
        (ExternSpec("bpf_task_acquire", ".ksyms", 3, True, True), "program type raw_tracepoint", "4.17", False),  # type: ignore[arg-type]
        (ExternSpec("variable", ".ksyms", 1, False, False), "kernel variable variable", "5.10", True),  # type: ignore[arg-type]
        (ExternSpec("address", ".ksyms", 0, False, False), "program type raw_tracepoint", "4.17", False),  # type: ignore[arg-type]
    ],
)
def test_symbols_of_the_kernel(extern: ExternSpec, what: str, kernel: str, types: bool) -> None:
    found = whole(program("raw_tp", refs=[ExternRef(0, extern.name)]), externs=[extern])
    assert (found.kernel, found.because, found.types) == (kernel, (what,), types)
    unused = whole(program("raw_tp"), externs=[extern])
    assert (unused.kernel, unused.types) == ("4.17", False)


def test_the_bundled_images() -> None:
    kernels = {
        name: requirements.of_collection(parse(bundled_store().get(name)))[0].kernel for name in bundled_store().names()
    }
    assert kernels["exitsnoop"] == "5.8"
    assert set(kernels.values()) <= {"5.1", "5.2", "5.8"}


def test_loops_are_looked_for_in_so_many_instructions() -> None:
    """In programs beyond the bound a jump back counts as one."""
    forth_and_back = (Insn(0x05, off=1), EXIT, Insn(0x05, off=-2))
    large = (*forth_and_back, *[Insn(0x15, off=2)] * 300_000)
    _, programs = requirements.of_collection(
        spec_of(
            program("xdp", *forth_and_back, name="first"),
            program("xdp", *large, name="second"),
            program("xdp", *forth_and_back, name="third"),
        )
    )
    told = {name: "loops" in found.because for name, found in programs.items()}
    assert told == {"first": False, "second": True, "third": True}


def test_maps_in_maps_and_flags_count() -> None:
    ring = MapSpec("inner", ".maps", MapType.RINGBUF, max_entries=4096, flags=1 << 19)
    outer = MapSpec("outer", ".maps", MapType.HASH_OF_MAPS, 4, 4, 1, inner=ring)
    found = whole(program("socket"), maps=(outer,))
    assert (found.kernel, found.because) == ("6.19", ("map flag 0x80000",))
    assert whole(program("socket"), maps=(outer._replace(inner=ring._replace(flags=0)),)).kernel == "5.8"
    sockets = MapSpec("inner", ".maps", MapType.SOCKMAP, 4, 4, 1)
    assert "CAP_NET_ADMIN" in names(whole(program("socket"), maps=(outer._replace(inner=sockets),)))


def test_operations_need_the_kernels_types() -> None:
    operations = MapSpec("ops", ".struct_ops", MapType.STRUCT_OPS)
    assert whole(program("socket"), maps=(operations,)).types
    assert whole(program("struct_ops/f")).types


def test_what_reads_the_kernel_is_for_perfmon() -> None:
    assert names(whole(program("xdp", calling("trace_printk")))) == ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON")
    assert names(whole(program("syscall", calling("trace_printk")))) == ("CAP_BPF", "CAP_PERFMON")
    assert names(whole(program("xdp", calling("map_lookup_elem")))) == ("CAP_BPF", "CAP_NET_ADMIN")


def test_each_capability_has_its_reasons() -> None:
    found = whole(program("tp/a/b", name="one"), program("kprobe/x", name="two"))
    assert found.capabilities == (
        Capability("CAP_BPF", "load"),
        Capability("CAP_DAC_READ_SEARCH", "tracefs is readable by root only"),
        Capability("CAP_PERFMON", "tracepoint programs, kprobe programs"),
    )
    assert whole(program("cgroup_skb/egress", calling("get_current_comm"))).capabilities[1:] == (
        Capability("CAP_NET_ADMIN", "attaching cgroup_skb programs"),
        Capability("CAP_PERFMON", "helper get_current_comm"),
    )


def test_a_perf_buffer_that_is_read_is_for_perfmon() -> None:
    buffer = MapSpec("m", ".maps", MapType.PERF_EVENT_ARRAY, 4, 4, 0)
    unread = spec_of(program("xdp"), maps=[buffer])
    assert names(requirements.of_collection(unread)[0]) == ("CAP_BPF", "CAP_NET_ADMIN")
    read = requirements.of_collection(unread._replace(tracked=(Tracked("m", Role.PRINT, VOID),)))[0]
    assert Capability("CAP_PERFMON", "perf buffers") in read.capabilities


def test_an_address_of_a_kernel_symbol_is_for_syslog() -> None:
    writer = BtfWriter()
    writer.integer()
    untyped = ExternSpec("jiffies", KSYMS, VOID, weak=True, function=False)
    using = program("raw_tp", refs=[ExternRef(0, "jiffies")], name="using")
    found, programs = requirements.of_collection(
        CollectionSpec("x", "GPL", (using, program("raw_tp")), (), (), (untyped,), Btf(writer.data()))
    )
    assert Capability("CAP_SYSLOG", "addresses of kernel symbols") in found.capabilities
    assert "CAP_SYSLOG" in names(programs["using"])
    assert "CAP_SYSLOG" not in names(programs["one"])
