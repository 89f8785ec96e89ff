"""The description of images, as data, text and JSON; names from images are made safe."""

import json

import pytest

from beepy.analysis import effects
from beepy.analysis.describe import describe
from beepy.analysis.description import Description
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.cli import description
from beepy.obj.insn import (
    CALL,
    DW,
    EXIT,
    LD_IMM64,
    MEM,
    PSEUDO_CALL,
    PSEUDO_KFUNC_CALL,
    PSEUDO_MAP_FD,
    STX,
    Insn,
)
from beepy.obj.spec import IteratorRecord
from beepy.oci.image import Image
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import HELPERS, MapFlag, MapType
from tests.support.elf import OBJECT, R_64_64
from tests.support.objects import Object

NAMES = bundled_store().names()

EXITSNOOP = """\
image           exitsnoop
digest          {digest}
format          bee
platform        linux/amd64
size            {size} bytes
license         GPL
{compiler}
authors         beepy maintainers
description     threads that end, with exit code or signal
convention      bee
changes         nothing but its own maps
kernel          5.8 or newer: helper ringbuf_reserve, helper ringbuf_submit, map type ringbuf
kernel types    needed (CONFIG_DEBUG_INFO_BTF; for relocations --btf FILE will do)
capabilities    CAP_BPF (load)
                CAP_DAC_READ_SEARCH (tracefs is readable by root only)
                CAP_PERFMON (tracepoint programs)
                before 5.11: CAP_SYS_RESOURCE (memory)
                before 5.8: CAP_SYS_ADMIN, not CAP_BPF
BPF token       delegate_cmds=btf_load:map_create:prog_load
                delegate_maps=array:ringbuf
                delegate_progs=tracepoint
                delegate_attachs=cgroup_inet_ingress
                needs CAP_DAC_READ_SEARCH (tracefs is readable by root only) and CAP_PERFMON \
(perf events) too

variables
    trace_failed_only  const volatile bool  = false  .rodata (fixed at load)
    trace_by_process   const volatile bool  = false  .rodata (fixed at load)
    target_pid         const volatile int   = 0      .rodata (fixed at load)

map print_exits
  section  .maps
  type     ringbuf
  sizes    4194304 bytes
  value    struct event
  role     print
  derived  age, exe, argv, cgroup, container, pod, namespace, unit
  losses   counted by code that beepy adds to the programs
  fields
    start_time  u64       8 bytes at 0    record
    exit_time   u64       8 bytes at 8    record
    pid         u32       4 bytes at 16   record
    tid         u32       4 bytes at 20   record
    ppid        u32       4 bytes at 24   record
    sig         u32       4 bytes at 28   record
    exit_code   int       4 bytes at 32   record
    comm        char[16]  16 bytes at 36  record

program sched_process_exit
  section       tracepoint/sched/sched_process_exit
  type          tracepoint
  attaches to   sched/sched_process_exit
  instructions  {instructions}
  helpers       get_current_pid_tgid, get_current_task, probe_read_kernel, ringbuf_reserve, \
ktime_get_ns, \
get_current_comm, ringbuf_submit
  with a token  needs CAP_DAC_READ_SEARCH (tracefs is readable by root only) and CAP_PERFMON \
(perf events) too
"""


def described(name: str, *, relocations: bool = False) -> Description:
    image = bundled_store().get(name)
    return describe(image, parse(image), relocations=relocations)


def text(facts: Description) -> str:
    return "".join([f"{line}\n" for line in description.as_text(facts)])


def test_the_text_of_exitsnoop() -> None:
    facts = described("exitsnoop")
    compiler = f"org.llvm.clang  {facts.annotations['org.llvm.clang']}"
    assert text(facts) == EXITSNOOP.format(
        digest=facts.digest,
        size=facts.size,
        compiler=compiler,
        instructions=facts.programs[0].instructions,
    )
    assert facts.digest == bundled_store().get("exitsnoop").digest


def test_a_program_shows_only_needs_that_differ_from_the_images() -> None:
    """The image needs 5.8; a program that needs less shows its own kernel."""
    shown = text(described("tcpconnect"))
    assert shown.count("CAP_BPF (load)") == shown.count("kernel types ") == 1
    enter = shown.partition("\nprogram enter_v4\n")[2].partition("\n\n")[0]
    leave = shown.partition("\nprogram leave_v4\n")[2].partition("\n\n")[0]
    assert "  kernel        5.2 or newer: global variables" in enter.splitlines()
    assert "  kernel " not in leave
    order = ["variables\n", "map print_connects\n", "program enter_v4\n", "map sockets\n"]
    assert order == sorted(order, key=lambda head: shown.index(f"\n{head}"))


LABELS = ("comm", "exit_code", "exit_time", "pid", "ppid", "sig", "start_time", "tid")


@pytest.mark.parametrize(
    ("name", "map_name", "section", "role", "metric"),
    [
        ("exitsnoop", "print_exits", ".maps", "print", None),
        ("exitsnoop-old", "exits", ".maps.print", "print", None),
        ("exitsnoop-counter", "counter_exits", ".maps", "counter", "ebpf_solo_io_counter_exits"),
        ("exitsnoop-old-counter", "exits", ".maps.counter", "counter", "ebpf_solo_io_exits"),
    ],
)
def test_both_conventions(
    name: str, map_name: str, section: str, role: str, metric: str | None
) -> None:
    facts = described(name)
    (map_info,) = facts.maps
    assert (map_info.name, map_info.section, map_info.role, map_info.metric) == (
        map_name,
        section,
        role,
        metric,
    )
    assert map_info.labels == (LABELS if metric else ())
    assert tuple(sorted(field.name for field in map_info.fields)) == LABELS
    line = f"  metric   {metric}{{{','.join(LABELS)}}}\n"
    assert (line in text(facts)) == bool(metric)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relocations", [False, True])
def test_json_and_text_agree(name: str, *, relocations: bool) -> None:
    facts = described(name, relocations=relocations)
    parsed = json.loads(description.as_json([facts]))
    assert list(parsed) == list(Description._fields)
    assert parsed["format"] == "bee"
    assert parsed["license"] == "GPL"
    assert relocations or not parsed["relocations"]
    shown = text(facts)
    for kind in ("programs", "maps", "variables"):
        for entry in parsed[kind]:
            assert entry["name"] in shown
    for program in parsed["programs"]:
        assert program["type"]
        assert f"  section       {program['section']}\n" in shown
    for entry in parsed["maps"]:
        if entry["fields"] and entry["fields"][0]["part"] == "record":
            ends = max(field["offset_bits"] + field["bits"] for field in entry["fields"])
            assert ends <= entry["value_size"] * 8
    for record in parsed["relocations"]:
        assert record["program"] in {program["name"] for program in parsed["programs"]}
        assert f"  {record['access']}\n" in shown


def test_relocations_of_exitsnoop() -> None:
    records = {
        (relocation.kind, relocation.access)
        for relocation in described("exitsnoop", relocations=True).relocations
    }
    assert records == {
        ("byte_off", f"struct task_struct.{name}")
        for name in ("exit_code", "start_time", "real_parent", "tgid")
    }


def test_an_image_of_several_programs_is_an_array() -> None:
    facts, other = described("exitsnoop"), described("opensnoop")
    assert [parsed["name"] for parsed in json.loads(description.as_json([facts, other]))] == [
        "exitsnoop",
        "opensnoop",
    ]


def test_names_from_an_image_are_made_safe() -> None:
    image = bundled_store().get("exitsnoop")
    program = image.programs[0]
    for name, evil in (
        (b"print_exits", b"print_\x1b[31m"),
        (b"start_time", b"\x1b2J[/]\x07\x08\x7f\r"),
    ):
        assert len(name) == len(evil)
        program = program.replace(name, evil)
    annotations = {
        "\x1b]0;title\x07": "\u202egnirts\n",
        "org.opencontainers.image.description": "a\x1b[2Jb",
    }
    image = Image(
        "evil\x1b[31m", "sha256:0", "", annotations, len(program), "elf\x07", {}, (program,)
    )
    shown = text(describe(image, parse(image), relocations=True))
    assert shown.replace("\n", "").isprintable()
    for safe in (
        r"evil\x1b[31m",
        r"map print_\x1b[31m",
        r"\x1b]0;title\x07",
        r"\xe2\x80\xaegnirts\x0a",
        r"a\x1b[2Jb",
    ):
        assert safe in shown
    assert "not given" in next(line for line in shown.splitlines() if line.startswith("platform "))
    assert (
        json.loads(description.as_json([describe(image, parse(image))]))["maps"][0]["name"]
        == "print_\x1b[31m"
    )


def test_why_a_map_is_not_shown() -> None:
    obj = Object()
    pointers = [obj.btf.ptr(obj.btf.array(1, number)) for number in (MapType.QUEUE, 4)]
    members = [
        ("type", pointers[0], 0),
        ("max_entries", pointers[1], 64),
        ("value", obj.btf.ptr(3), 128),
    ]
    obj.maps(obj.btf.var("print_q", obj.btf.struct("", 24, members)), names=["print_q"], size=24)
    obj.program()
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    described = describe(image, parse(image))
    assert [(map_info.role, map_info.not_shown) for map_info in described.maps] == [
        ("print", "nothing reads QUEUE yet")
    ]
    assert "  role       print\n  not shown  nothing reads QUEUE yet\n" in text(described)


def test_the_fields_of_an_iterator() -> None:
    obj = Object()
    obj.program()
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    writer = BtfWriter()
    members = [("pid", writer.integer("u32", 4, 0), 0), ("tid", TypeId(1), 32)]
    record = IteratorRecord("tasks", writer.struct("task", 8, members))
    btf = Btf(writer.data(), name="one")
    spec = parse(image)._replace(btf=btf, iterator_records={"one": record, "two": record})
    described = describe(image, spec)
    (entry,) = json.loads(description.as_json([described]))["iterators"]
    assert (entry["name"], entry["programs"], entry["record_type"]) == (
        *("tasks", ["one", "two"], "struct task"),
    )
    assert [(field["name"], field["offset_bits"]) for field in entry["fields"]] == [
        *(("pid", 0), ("tid", 32)),
    ]
    expected = "iterator tasks\n  programs     one, two\n  record type  struct task\n  fields\n"
    assert expected + "    pid  u32  4 bytes at 0  record\n" in text(described)


def test_the_name_of_a_section_is_made_safe() -> None:
    section = ".rodata.\x1b[31m"
    obj = Object()
    obj.program()
    obj.elf.section(section, bytes(4))
    obj.elf.symbol("number", section, 0, 4, type=OBJECT)
    obj.btf.datasec(section, 4, [(obj.btf.var("number", 1), 0, 4)])
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    shown = text(describe(image, parse(image)))
    assert r"= 0  .rodata.\x1b[31m (fixed at load)" in shown
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("section", "called", "changes"),
    [
        ("raw_tp/sched_switch", "get_current_comm", ()),
        ("fentry/vfs_read", "", ()),
        ("fmod_ret/vfs_read", "", ("return values of kernel functions",)),
        ("kprobe/vfs_read", "override_return", ("return values of kernel functions",)),
        ("lwt_in", "", ("packets",)),
        ("sockops", "", ("sockets",)),
        ("sk_reuseport", "", ("sockets",)),
        ("flow_dissector", "", ("packets",)),
        ("raw_tp.w/bpf_test_finish", "", ("what tracepoints pass on",)),
        ("lsm_cgroup/socket_bind", "set_retval", ("answers of the kernel", "permissions")),
        ("syscall", "sys_bpf", ("other programs and maps",)),
        ("lirc_mode2", "rc_keydown", ("input events",)),
        ("xdp", "xdp_adjust_head", ("packets",)),
        ("uprobe", "", ()),
        ("unheard_of", "", ("what programs of section 'unheard_of' change",)),
    ],
)
def test_what_a_program_can_change(section: str, called: str, changes: tuple[str, ...]) -> None:
    obj = Object()
    obj.program(
        *([Insn(CALL, imm=HELPERS.index(called))] if called else []), Insn(EXIT), section=section
    )
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).programs[0].changes == changes


def test_of_every_helper_it_is_known_what_it_changes() -> None:
    assert {*effects._EFFECTS} | effects._READS == {*HELPERS}
    assert not {*effects._EFFECTS} & effects._READS


@pytest.mark.parametrize(
    ("insns", "changes"),
    [
        ([Insn(CALL, imm=5000)], ("what helper #5000 changes",)),
        ([Insn(CALL, imm=-1)], ("what helper #-1 changes",)),
        ([Insn(CALL, src=PSEUDO_KFUNC_CALL, imm=77)], ("what a kernel function changes",)),
        ([Insn(LD_IMM64, 1, PSEUDO_MAP_FD, 0, 3), Insn(0)], ("maps of others",)),
        ([Insn(LD_IMM64, 1, 6, 0, 0), Insn(0)], ("maps of others",)),
        ([Insn(LD_IMM64, 1, 0, 0, 3), Insn(0)], ()),
    ],
)
def test_what_is_not_known_is_a_change(insns: list[Insn], changes: tuple[str, ...]) -> None:
    obj = Object()
    obj.program(*insns, Insn(EXIT), section="raw_tp")
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).changes == changes


@pytest.mark.parametrize(
    ("name", "changes"),
    [("bpf_task_acquire", ()), ("crash_kexec", ("kernel function crash_kexec",))],
)
def test_what_kfuncs_can_change(name: str, changes: tuple[str, ...]) -> None:
    obj = Object()
    kfunc = obj.btf.func(name, obj.btf.func_proto(0), 2)
    obj.btf.datasec(".ksyms", 0, [(kfunc, 0, 0)])
    obj.program(Insn(CALL, src=PSEUDO_CALL, imm=-1), Insn(EXIT))
    obj.calls(obj.elf.symbol(name), 0)
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).programs[0].changes == changes


def test_only_the_first_values_of_very_many_variables_are_shown() -> None:
    obj = Object()
    obj.program()
    char = obj.btf.integer("char", 1, 1)
    text = obj.btf.array(char, 4096)
    obj.elf.bss(4096 * 70)
    obj.btf.datasec(
        ".bss", 0, [(obj.btf.var(f"v{at}", text, 0), 4096 * at, 4096) for at in range(70)]
    )
    data = obj.data()
    image = Image("x", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    described = describe(image, parse(data))
    assert [variable.default for variable in described.variables] == [""] * 64 + [None] * 6


def test_a_variable_larger_than_its_type() -> None:
    """The symbol has two gigabytes, its type eight bytes."""
    obj = Object()
    obj.program()
    obj.elf.section(".data", bytes(8))
    large = obj.btf.struct("large", (1 << 31) - 1, [("a", 1, 0)])
    obj.btf.datasec(".data", 8, [(obj.btf.var("x", large, 0), 0, 8)])
    data = obj.data()
    described = describe(Image("x", "sha256:0", "", {}, len(data), "elf", {}, (data,)), parse(data))
    assert described.variables[0].default is None


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("uprobe", ("registers of processes",)),
        ("uretprobe.multi", ("registers of processes",)),
        ("usdt", ("registers of processes",)),
        ("kprobe/vfs_read", ()),  # it loads, and cannot be attached
    ],
)
def test_registers_that_a_uprobe_writes(section: str, changes: tuple[str, ...]) -> None:
    obj = Object()
    obj.program(Insn(STX | MEM | DW, 1, 2, 112), Insn(EXIT), section=section)
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).programs[0].changes == changes


@pytest.mark.parametrize(("flags", "changed"), [(0, True), (MapFlag.RDONLY_PROG, False)])
def test_writing_to_a_map_that_is_pinned_by_name(flags: MapFlag, changed: bool) -> None:
    """Another program may have pinned the map, which is then reused."""
    obj = Object()
    fields = {
        "type": MapType.HASH,
        "key_size": 4,
        "value_size": 4,
        "max_entries": 16,
        "pinning": 1,
        "map_flags": flags,
    }
    members = [
        (name, obj.btf.ptr(obj.btf.array(1, value)), 64 * n)
        for n, (name, value) in enumerate(fields.items())
    ]
    variable = obj.btf.var("firewall.rules", obj.btf.struct("", 48, members))
    (symbol,) = obj.maps(variable, names=["firewall.rules"], size=48)
    obj.program(Insn(LD_IMM64, 1), Insn(0), Insn(EXIT), name="uses", section="raw_tp")
    obj.calls(symbol, 0, "raw_tp", R_64_64)
    obj.program(name="other", section="raw_tp/other")
    data = obj.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    parsed = describe(image, parse(image))
    changes = ("map pinned at /sys/fs/bpf/firewall_rules",) if changed else ()
    assert (parsed.changes, parsed.programs[0].changes, parsed.programs[1].changes) == (
        changes,
        changes,
        (),
    )
    assert parsed.maps[0].pinned == "/sys/fs/bpf/firewall_rules"
    assert "  pinned   /sys/fs/bpf/firewall_rules (a map that is there already is used)\n" in text(
        parsed
    )
