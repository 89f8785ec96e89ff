"""What is told of an image that is not loaded: bundled images, and names that anybody can choose."""

import json

import pytest

from beepy.analysis.describe import Description, describe
from beepy.cli import description
from beepy.obj.insn import CALL, DW, EXIT, LD_IMM64, MEM, PSEUDO_CALL, STX, Insn
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
org.opencontainers.image.authors  beepy maintainers
org.opencontainers.image.description  threads that end, with exit code or signal
changes         nothing but its own maps
kernel          5.8 or newer: helper ringbuf_reserve, helper ringbuf_submit, map type ringbuf
kernel types    needed (CONFIG_DEBUG_INFO_BTF; for relocations --btf FILE will do)
capabilities    CAP_BPF (load)
                CAP_DAC_READ_SEARCH (tracefs is readable by root only)
                CAP_PERFMON (tracepoint programs)
                before 5.11: CAP_SYS_RESOURCE (memory)
                before 5.8: CAP_SYS_ADMIN, not CAP_BPF

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
  helpers       get_current_pid_tgid, get_current_task, probe_read_kernel, ringbuf_reserve, ktime_get_ns, \
get_current_comm, ringbuf_submit
"""


def described(name: str, *, relocations: bool = False) -> Description:
    image = bundled_store().get(name)
    return describe(image, parse(image), relocations=relocations)


def text(one: Description) -> str:
    return "".join([f"{line}\n" for line in description.as_text(one)])


def test_the_text_of_exitsnoop() -> None:
    one = described("exitsnoop")
    compiler = f"org.llvm.clang  {one.annotations['org.llvm.clang']}"
    assert text(one) == EXITSNOOP.format(
        digest=one.digest, size=one.size, compiler=compiler, instructions=one.programs[0].instructions
    )
    assert one.digest == bundled_store().get("exitsnoop").digest


def test_what_differs_is_told_for_a_program() -> None:
    """The image needs 5.8, and its programs less or the same; what all of them need is told once."""
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
def test_both_conventions(name: str, map_name: str, section: str, role: str, metric: str | None) -> None:
    one = described(name)
    (found,) = one.maps
    assert (found.name, found.section, found.role, found.metric) == (map_name, section, role, metric)
    assert found.labels == (LABELS if metric else ())
    assert tuple(sorted(field.name for field in found.fields)) == LABELS
    line = f"  metric   {metric}{{{','.join(LABELS)}}}\n"
    assert (line in text(one)) == bool(metric)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relocations", [False, True])
def test_json_tells_the_same_as_the_text(name: str, *, relocations: bool) -> None:
    one = described(name, relocations=relocations)
    found = json.loads(description.as_json([one]))
    assert list(found) == list(Description._fields)
    assert found["format"] == "bee"
    assert found["license"] == "GPL"
    assert relocations or not found["relocations"]
    shown = text(one)
    for kind in ("programs", "maps", "variables"):
        for each in found[kind]:
            assert each["name"] in shown
    for program in found["programs"]:
        assert program["type"]
        assert f"  section       {program['section']}\n" in shown
    for each in found["maps"]:
        if each["fields"] and each["fields"][0]["part"] == "record":
            ends = max(field["offset_bits"] + field["bits"] for field in each["fields"])
            assert ends <= each["value_size"] * 8
    for record in found["relocations"]:
        assert record["program"] in {program["name"] for program in found["programs"]}
        assert f"  {record['access']}\n" in shown


def test_relocations_of_exitsnoop() -> None:
    records = {(one.kind, one.access) for one in described("exitsnoop", relocations=True).relocations}
    assert records == {
        ("byte_off", f"struct task_struct.{name}") for name in ("exit_code", "start_time", "real_parent", "tgid")
    }


def test_an_image_of_several_programs_is_an_array() -> None:
    one, other = described("exitsnoop"), described("opensnoop")
    assert [found["name"] for found in json.loads(description.as_json([one, other]))] == ["exitsnoop", "opensnoop"]


def test_names_that_anybody_can_choose_are_made_safe() -> None:
    image = bundled_store().get("exitsnoop")
    program = image.programs[0]
    for name, evil in ((b"print_exits", b"print_\x1b[31m"), (b"start_time", b"\x1b2J[/]\x07\x08\x7f\r")):
        assert len(name) == len(evil)
        program = program.replace(name, evil)
    annotations = {"\x1b]0;title\x07": "\u202egnirts\n", "org.opencontainers.image.description": "a\x1b[2Jb"}
    image = Image("evil\x1b[31m", "sha256:0", "", annotations, len(program), "elf\x07", {}, (program,))
    shown = text(describe(image, parse(image), relocations=True))
    assert shown.replace("\n", "").isprintable()
    for safe in (r"evil\x1b[31m", r"map print_\x1b[31m", r"\x1b]0;title\x07", r"\xe2\x80\xaegnirts\x0a", r"a\x1b[2Jb"):
        assert safe in shown
    assert "not given" in next(line for line in shown.splitlines() if line.startswith("platform "))
    assert json.loads(description.as_json([describe(image, parse(image))]))["maps"][0]["name"] == "print_\x1b[31m"


def test_why_a_map_is_not_shown() -> None:
    one = Object()
    pointers = [one.btf.ptr(one.btf.array(1, number)) for number in (MapType.QUEUE, 4)]
    members = [("type", pointers[0], 0), ("max_entries", pointers[1], 64), ("value", one.btf.ptr(3), 128)]
    one.maps(one.btf.var("print_q", one.btf.struct("", 24, members)), names=["print_q"], size=24)
    one.program()
    data = one.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    described = describe(image, parse(image))
    assert [(found.role, found.not_shown) for found in described.maps] == [("print", "nothing reads QUEUE yet")]
    assert "  role       print\n  not shown  nothing reads QUEUE yet\n" in text(described)


def test_a_section_that_anybody_can_name() -> None:
    section = ".rodata.\x1b[31m"
    one = Object()
    one.program()
    one.elf.section(section, bytes(4))
    one.elf.symbol("number", section, 0, 4, type=OBJECT)
    one.btf.datasec(section, 4, [(one.btf.var("number", 1), 0, 4)])
    data = one.data()
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
    ],
)
def test_what_a_program_can_change(section: str, called: str, changes: tuple[str, ...]) -> None:
    one = Object()
    one.program(*([Insn(CALL, imm=HELPERS.index(called))] if called else []), Insn(EXIT), section=section)
    data = one.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).programs[0].changes == changes


@pytest.mark.parametrize(
    ("name", "changes"), [("bpf_task_acquire", ()), ("crash_kexec", ("kernel function crash_kexec",))]
)
def test_what_functions_of_the_kernel_can_change(name: str, changes: tuple[str, ...]) -> None:
    one = Object()
    kfunc = one.btf.func(name, one.btf.func_proto(0), 2)
    one.btf.datasec(".ksyms", 0, [(kfunc, 0, 0)])
    one.program(Insn(CALL, src=PSEUDO_CALL, imm=-1), Insn(EXIT))
    one.calls(one.elf.symbol(name), 0)
    data = one.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).programs[0].changes == changes


def test_the_values_of_very_many_variables_are_not_all_shown() -> None:
    one = Object()
    one.program()
    char = one.btf.integer("char", 1, 1)
    text = one.btf.array(char, 4096)
    one.elf.bss(4096 * 70)
    one.btf.datasec(".bss", 0, [(one.btf.var(f"v{at}", text, 0), 4096 * at, 4096) for at in range(70)])
    data = one.data()
    image = Image("x", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    described = describe(image, parse(data))
    assert [variable.default for variable in described.variables] == [""] * 64 + [None] * 6


def test_a_variable_whose_type_has_another_size() -> None:
    """Two gigabytes, of which the section's types say that they are eight."""
    one = Object()
    one.program()
    one.elf.section(".data", bytes(8))
    large = one.btf.struct("large", (1 << 31) - 1, [("a", 1, 0)])
    one.btf.datasec(".data", 8, [(one.btf.var("x", large, 0), 0, 8)])
    data = one.data()
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
    one = Object()
    one.program(Insn(STX | MEM | DW, 1, 2, 112), Insn(EXIT), section=section)
    data = one.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    assert describe(image, parse(image)).programs[0].changes == changes


@pytest.mark.parametrize(("flags", "changed"), [(0, True), (MapFlag.RDONLY_PROG, False)])
def test_maps_that_may_be_of_others(flags: MapFlag, changed: bool) -> None:
    """What is pinned by name is used, whoever made it."""
    one = Object()
    fields = {"type": MapType.HASH, "key_size": 4, "value_size": 4, "max_entries": 16, "pinning": 1, "map_flags": flags}
    members = [(name, one.btf.ptr(one.btf.array(1, value)), 64 * n) for n, (name, value) in enumerate(fields.items())]
    variable = one.btf.var("firewall.rules", one.btf.struct("", 48, members))
    (symbol,) = one.maps(variable, names=["firewall.rules"], size=48)
    one.program(Insn(LD_IMM64, 1), Insn(0), Insn(EXIT), name="uses", section="raw_tp")
    one.calls(symbol, 0, "raw_tp", R_64_64)
    one.program(name="other", section="raw_tp/other")
    data = one.data()
    image = Image("one", "sha256:0", "", {}, len(data), "elf", {}, (data,))
    found = describe(image, parse(image))
    changes = ("map pinned at /sys/fs/bpf/firewall_rules",) if changed else ()
    assert (found.changes, found.programs[0].changes, found.programs[1].changes) == (changes, changes, ())
    assert found.maps[0].pinned == "/sys/fs/bpf/firewall_rules"
    assert "  pinned   /sys/fs/bpf/firewall_rules (a map that is there already is used)\n" in text(found)
