"""``describe --check``, against this kernel and against the types of another."""

import json
from pathlib import Path
from typing import Final

import pytest

from beepy import inspection
from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.check import check as checking
from beepy.check.check import ERROR, WARNING, Finding, check
from beepy.check.kernels import BtfKernel, RunningKernel
from beepy.collection.load import load
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import VerifierError
from beepy.host import machine
from beepy.obj.spec import ProgramSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import HELPERS, AttachType, MapType, ProgType
from tests.kernel.conftest import ObjectOf
from tests.support import child
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel

THIS = f"this kernel ({'.'.join(map(str, machine.release()))})"


def findings_of(path: str, btf: Btf | None = None) -> list[Finding]:
    return list(check(parse(Path(path).read_bytes(), name="x"), btf).findings)


def old_kernel() -> Btf:
    """The types of a kernel with hash maps, tracepoints and kprobes, and one structure."""
    writer = BtfWriter()
    number = writer.integer()
    writer.enum("bpf_map_type", {"BPF_MAP_TYPE_HASH": 1, "BPF_MAP_TYPE_ARRAY": 2})
    writer.enum(
        "bpf_prog_type",
        {"BPF_PROG_TYPE_KPROBE": 2, "BPF_PROG_TYPE_SCHED_CLS": 3, "BPF_PROG_TYPE_TRACEPOINT": 5},
    )
    writer.enum("bpf_attach_type", {"BPF_CGROUP_INET_INGRESS": 0})
    writer.enum("bpf_func_id", {f"BPF_FUNC_{name}": at for at, name in enumerate(HELPERS[:110])})
    writer.struct("task_struct", 8, [("tgid", number, 0)])
    proto = writer.func_proto(number)
    writer.func("do_exit", proto)
    writer.func("register_kprobe", proto)
    writer.func("__x64_sys_openat", proto)
    writer.typedef("btf_trace_sched_switch", writer.ptr(proto))
    return Btf(writer.data(), name="old")


@pytest.mark.parametrize("name", ["exitsnoop", "exitsnoop-old-counter", "opensnoop", "execsnoop"])
def test_bundled_images_run_here(name: str) -> None:
    checked = check(parse(bundled_store().get(name)))
    assert checked.runs
    assert checked.kernel == THIS
    assert all(finding.level == WARNING for finding in checked.findings)
    assert checked.fixups


def test_missing_attach_points(object_of: ObjectOf) -> None:
    errors = [finding for finding in findings_of(object_of("missing")) if finding.level == ERROR]
    assert [finding.text for finding in errors] == [
        "program 'no_tracepoint': tracepoint syscalls/sys_enter_beepy: not found in this kernel",
        f"program 'no_raw_tracepoint': {THIS} has no raw tracepoint no_such_tracepoint",
        f"program 'no_type': {THIS} has no btf_trace_no_such_tracepoint",
    ]
    assert all(finding.skipped for finding in errors)


_POINTS = """
#include "test/trigger.h"
SEC("%s")
int one(void *ctx)
{
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


_MAKERS = {  # what creates probes, and what is missing without it
    "kprobe": ("register_kprobe", "kprobes (CONFIG_KPROBE_EVENTS)"),
    "kprobe_multi": ("register_fprobe_ips", "links to many functions (CONFIG_FPROBE)"),
    "uprobe": ("uprobe_register", "uprobes (CONFIG_UPROBE_EVENTS)"),
}


@pytest.mark.parametrize(
    ("section", "lacking", "probe"),
    [
        ("kprobe/beepy_none", "function beepy_none", "kprobe"),
        ("kretprobe/beepy_none", "function beepy_none", "kprobe"),
        ("kprobe/beepy_none+0x10", "function beepy_none", "kprobe"),
        ("ksyscall/beepy_none", "system call beepy_none", "kprobe"),
        ("kprobe.multi/beepy_none", "function beepy_none", "kprobe_multi"),
        ("kprobe/do_exit", "", "kprobe"),
        ("ksyscall/openat", "", "kprobe"),
        ("kprobe", "", "kprobe"),
        ("uprobe", "", "uprobe"),
        ("raw_tp/sched_switch", "", ""),
        ("tp_btf/sched_switch", "", ""),
        ("tp/sched/sched_switch", "", ""),
        ("xdp", "", ""),
    ],
)
def test_attach_points(compiled: ObjectOf, section: str, lacking: str, probe: str) -> None:
    """The running kernel and its types give the same findings."""
    given = Btf(Path("/sys/kernel/btf/vmlinux").read_bytes(), name="file")
    for types, kernel in ((None, RunningKernel()), (given, BtfKernel(given))):
        where = " among its types" if types else ""
        why = f"{kernel.name} has no {lacking}{where}" if lacking else ""
        if not why and probe and not kernel.has_function(_MAKERS[probe][0]):
            why = f"{kernel.name} has no {_MAKERS[probe][1]}"
        assert [finding.text for finding in findings_of(compiled(_POINTS % section), types)] == (
            [f"program 'one': {why}"] if why else []
        )


def test_a_verifier_error_is_a_finding(object_of: ObjectOf) -> None:
    (finding,) = [
        finding for finding in findings_of(object_of("err_null")) if finding.level == ERROR
    ]
    assert finding.text.startswith("program 'err_null': verifier: ")
    assert not finding.skipped


def test_what_an_old_kernel_lacks() -> None:
    checked = check(parse(bundled_store().get("exitsnoop")), old_kernel())
    assert not checked.runs
    assert checked.kernel == "the kernel of old"
    texts = [finding.text for finding in checked.findings]
    assert "map 'print_exits': type ringbuf: not there, since 5.8" in texts
    where = "program 'sched_process_exit'"
    assert (
        f"{where}: helper ringbuf_reserve: not there, since 5.8; it fails if the code is reached"
        in texts
    )
    assert f"{where}: helper probe_read_kernel: probe_read in its place" in texts
    assert any(text.startswith(f"{where}: relocation ") and "-> missing" in text for text in texts)
    assert any(
        text.startswith(
            f"{where}: tracepoint sched/sched_process_exit: not found in the kernel of old"
        )
        for text in texts
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("lsm/file_open", "program type lsm: not there, since 5.7"),
        ("xdp", "program type xdp: not there, since 4.8"),
        ("kprobe.multi/do_exit", "attach type trace_kprobe_multi: not there, since 5.18"),
        ("tc/ingress", ""),  # by a filter, where there is no tcx
        ("netkit/peer", "attach type netkit_peer: not there, since 6.7"),
        ("kprobe/do_exit", ""),
        ("ksyscall/openat", ""),
        ("ksyscall/close", "the kernel of old has no system call close among its types"),
        ("tp/syscalls/sys_enter_openat", ""),
        ("tp/sched/sched_switch", ""),
        (
            "tp/sched/sched_wakeup",
            "tracepoint sched/sched_wakeup: not found in the kernel of old",
        ),
    ],
)
def test_programs_of_an_old_kernel(compiled: ObjectOf, section: str, expected: str) -> None:
    texts = [finding.text for finding in findings_of(compiled(_POINTS % section), old_kernel())]
    assert texts[:1] == ([f"program 'one': {expected}"] if expected else [])


def test_symbols_that_another_kernel_lacks(compiled: ObjectOf) -> None:
    text = """
#include "test/trigger.h"
extern void *bpf_task_acquire(void *) __attribute__((section(".ksyms")));
SEC("kprobe/do_exit")
int one(void *ctx)
{
	bpf_task_acquire(ctx);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""
    assert [finding.text for finding in findings_of(compiled(text), old_kernel())] == [
        "kernel symbol 'bpf_task_acquire': not among its types, unless a module has it; since 6.2"
    ]


_READS: Final = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct %s {
	%s it;
} __attribute__((preserve_access_index));
SEC("tp_btf/sched_switch")
int one(unsigned long long *ctx)
{
	return ((struct %s *)ctx[0])->it;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_a_field_that_no_load_reaches(compiled: ObjectOf) -> None:
    writer = BtfWriter()
    writer.struct("small", 50_000, [("it", writer.integer(), 40_000 * 8)])
    findings = findings_of(
        compiled(_READS % ("small", "int", "small")), Btf(writer.data(), name="far")
    )
    assert (ERROR, "offset 40000 exceeds 32767") in [
        (finding.level, finding.text.rpartition(": ")[2]) for finding in findings
    ]


def test_a_field_of_another_width(compiled: ObjectOf) -> None:
    writer = BtfWriter()
    writer.struct("small", 8, [("it", writer.integer(), 32)])
    findings = findings_of(
        compiled(_READS % ("small", "long", "small")), Btf(writer.data(), name="narrow")
    )
    (finding,) = [finding for finding in findings if finding.level == WARNING]
    became = "(struct small.it byte_off 0 -> 4, 8 -> 4 bytes: cannot be read in another width)"
    assert finding.text == f"program 'one': relocation 0 {became}: it fails if the code is reached"
    path = compiled(
        (_READS % ("task_struct", "long", "task_struct"))
        .replace("it;", "tgid;")
        .replace("->it", "->tgid")
    )
    with pytest.raises(
        VerifierError, match=r"relocation 0 \(.* 8 -> 4 bytes: cannot be read in another width\)"
    ):
        load(parse(Path(path).read_bytes(), name="x"))


@pytest.mark.parametrize(
    "section", ["raw_tp/beepy_none", "tp/sched/beepy_none", "kprobe/beepy_none"]
)
def test_types_without_functions_and_tracepoints_give_no_findings(
    compiled: ObjectOf, section: str
) -> None:
    writer = BtfWriter()
    writer.struct("task_struct", 8)
    assert findings_of(compiled(_POINTS % section), Btf(writer.data(), name="minimal")) == []


def test_a_target_of_another_form_is_not_skipped(compiled: ObjectOf) -> None:
    (finding,) = [
        finding
        for finding in findings_of(compiled(_POINTS % "tracepoint/foo"))
        if "expected" in finding.text
    ]
    assert (finding.text, finding.skipped) == (
        "program 'one': tracepoint: expected CATEGORY/NAME",
        False,
    )


def test_the_running_kernel_and_its_types_agree() -> None:
    this, same = (
        RunningKernel(),
        BtfKernel(Btf(Path("/sys/kernel/btf/vmlinux").read_bytes(), name="same")),
    )
    for number in range(1, len(HELPERS)):
        assert this.has_helper(number) == same.has_helper(number), HELPERS[number]
    for name in ("do_exit", "beepy_none"):
        assert this.has_function(name) == same.has_function(name)
    for name in ("openat", "close", "beepy_none"):
        assert this.has_syscall(name) == same.has_syscall(name)
    assert [
        kind.name
        for kind in MapType
        if kind and this.has_map_type(kind) and not same.has_map_type(kind)
    ] == []
    assert [
        kind.name
        for kind in ProgType
        if kind and this.has_prog_type(kind) and not same.has_prog_type(kind)
    ] == []
    assert same.has_attach_type(AttachType.TRACE_FENTRY)
    for category, name in (
        ("sched", "sched_switch"),
        ("syscalls", "sys_enter_openat"),
        ("syscalls", "sys_exit_close"),
    ):
        assert not this.tracepoint(category, name)
        assert not same.tracepoint(category, name)


def test_nothing_is_left_in_the_kernel(object_of: ObjectOf) -> None:
    findings_of(object_of("tables"))  # the kernel's types stay, mapped
    before = descriptors()
    for name in ("everything", "tables", "pinned"):
        findings_of(object_of(name))
    assert descriptors() == before


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_the_command_fails_with_the_reason(beepy: Beepy, object_of: ObjectOf) -> None:
    done = beepy("describe", object_of("missing"), "--check")
    assert done.code == 1
    assert f"check  {THIS}: it does not run\n" in done.out
    assert (
        "  error: program 'no_tracepoint': tracepoint syscalls/sys_enter_beepy: "
        "not found in this kernel "
        "(--missing skip leaves it out)\n" in done.out
    )
    done = beepy("describe", "exitsnoop", "--check")
    assert done.code == 0
    assert f"check  {THIS}: it runs\n" in done.out


def test_an_unknown_section_is_reported_once(compiled: ObjectOf) -> None:
    why = "section 'xdp.x/lo': no program type is known by that name, expected SEC(\"xdp\")"
    assert [finding.text for finding in findings_of(compiled(_POINTS % "xdp.x/lo"))] == [
        f"program 'one': {why}"
    ]


def test_the_command_in_json(beepy: Beepy, object_of: ObjectOf, tmp_path: Path) -> None:
    done = beepy("describe", object_of("missing"), "--check", "-o", "json")
    assert done.code == 1
    result = json.loads(done.out)["check"]
    assert (result["kernel"], result["runs"], len(result["errors"])) == (THIS, False, 3)
    assert result["skipped"] == result["errors"]
    file = tmp_path / "old.btf"
    file.write_bytes(old_kernel().data)
    done = beepy(
        "describe", "exitsnoop", "--btf", str(file), "--check", "--relocations", "-o", "json"
    )
    assert done.code == 1
    whole = json.loads(done.out)
    assert {"0 -> 0", "missing"} & {record["resolved"] for record in whole["relocations"]}
    assert whole["check"]["kernel"] == f"the kernel of {file}"
    assert whole["needs"]["kernel"] == "5.8"


def test_each_relocation_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """``describe --check --relocations`` shows and loads what the plan resolved."""
    resolved: list[str] = []
    fixups = Resolver.fixups

    def counting(self: Resolver, program: ProgramSpec) -> tuple[Fixup, ...]:
        resolved.append(program.name)
        return fixups(self, program)

    monkeypatch.setattr(Resolver, "fixups", counting)
    image = bundled_store().get("opensnoop")
    (description,) = inspection.inspect(image, check=True, relocations=True)
    assert description.check
    assert description.check.runs
    relocated = [program.name for program in parse(image).programs if program.core]
    assert sorted(resolved) == sorted(relocated)
    assert {relocation.program for relocation in description.relocations} == set(relocated)


def test_a_missing_attach_point_of_one_program_does_not_hide_errors_of_others(
    compiled: ObjectOf,
) -> None:
    """The other programs are loaded, and the verifier refuses each."""
    text = """
#include "test/trigger.h"
SEC("fentry/beepy_none")
int first(void *ctx)
{
	return 0;
}
SEC("fentry")
int second(void *ctx)
{
	return 0;
}
SEC("tp_btf/sched_switch")
int third(unsigned long long *ctx)
{
	return *(int *)0x10;
}
char LICENSE[] SEC("license") = "GPL";
"""
    first, second, third = [
        finding for finding in findings_of(compiled(text)) if finding.level == ERROR
    ]
    assert (first.text, first.skipped) == (f"program 'first': {THIS} has no beepy_none", True)
    assert (second.text, second.skipped) == (
        "program 'second': section 'fentry': this kernel has no ''",
        True,
    )
    assert third.text.startswith("program 'third': verifier: ")
    texts = [
        finding.text
        for finding in findings_of(compiled(text), old_kernel())
        if "has no" in finding.text
    ]
    assert texts == ["program 'first': the kernel of old has no beepy_none among its types"]


def test_relocations_are_resolved_by_types_alone(beepy: Beepy) -> None:
    done = beepy(
        "describe", "exitsnoop", "--btf", "/sys/kernel/btf/vmlinux", "--relocations", "-o", "json"
    )
    assert done.code == 0
    whole = json.loads(done.out)
    assert whole["check"] is None
    assert all(record["resolved"] for record in whole["relocations"])
    spec = parse(bundled_store().get("exitsnoop"))
    (fixups,) = checking.fixups(spec).values()
    assert [
        record["resolved"].split(" -> ")[1].split(",")[0] for record in whole["relocations"]
    ] == [str(f.new) for f in fixups]
    done = beepy("describe", "exitsnoop", "--relocations", "-o", "json")
    assert all(record["resolved"] is None for record in json.loads(done.out)["relocations"])


def test_without_privilege_the_capabilities_are_named() -> None:
    output = child.run(
        """
from beepy.check.check import check
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support.capabilities import keep

spec = parse(bundled_store().get("exitsnoop"))
keep(())
for finding in check(spec).findings:
    print(finding.level, finding.text, finding.skipped)
"""
    )
    assert "needs CAP_BPF and CAP_PERFMON" in output
    assert "True" not in output  # --missing skip skips only what a kernel lacks
    assert output.count("error ") >= 1
