"""Explanations of the kernel's refusals."""

import errno
import os
import re
from pathlib import Path

import pytest

from beepy import maps, since
from beepy.check.check import check
from beepy.collection import refusals
from beepy.collection.load import load
from beepy.errors import AttachError, KernelError, NotSupported, RelocationError, VerifierError
from beepy.host import machine
from beepy.kernel import features, program
from beepy.obj.insn import EXIT, Insn, encode
from beepy.obj.spec import MapSpec
from beepy.sections import Hook, find
from beepy.source import parse
from beepy.uapi import HELPERS, AttachType, MapFlag, MapType, ProgFlag, ProgType
from tests.kernel.conftest import ObjectOf
from tests.support import child

pytestmark = pytest.mark.kernel

_RETURN = (Insn(0xB7), Insn(EXIT))


def refused(spec: MapSpec) -> KernelError:
    with pytest.raises(KernelError) as caught:
        maps.create(spec, None)
    return refusals.explain_map(caught.value, spec)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (MapSpec("m", ".maps", MapType.ARRAY, 8, 4, 1), "key_size 8 (4 is taken)"),
        (MapSpec("m", ".maps", MapType.ARRAY, 4, 0, 1), "value_size 0 (4 is taken)"),
        (MapSpec("m", ".maps", MapType.HASH, 4, 4, 0), "max_entries 0 (its size is missing)"),
        (
            MapSpec("m", ".maps", MapType.HASH, 0, 0, 0),
            "key_size 0 (4 is taken), value_size 0 (4 is taken), max_entries 0",
        ),
        (MapSpec("m", ".maps", MapType.HASH, 4, 1 << 31, 1), "value_size 2147483648 (too large)"),
        (
            MapSpec("m", ".maps", MapType.HASH, 4, 4, 1, flags=MapFlag.MMAPABLE),
            "map_flags 0x400 (BPF_F_MMAPABLE)",
        ),
        (
            MapSpec("m", ".maps", MapType.HASH, 4, 4, 1, flags=1 << 31),
            "map_flags 0x80000000 (0x80000000)",
        ),
        (
            MapSpec("m", ".maps", MapType.LPM_TRIE, 8, 8, 1),
            "map_flags 0x0 (without BPF_F_NO_PREALLOC)",
        ),
        (MapSpec("m", ".maps", MapType.HASH, 4, 4, 1, map_extra=1), "map_extra 1 (0 is taken)"),
        (MapSpec("m", ".maps", MapType.STACK_TRACE, 4, 4, 1), "value_size 4 (8 is taken)"),
        (
            MapSpec("m", ".maps", MapType.ARRAY_OF_MAPS, 4, 4, 1),
            "it has no inner map: declare one with __array(",
        ),
        (
            MapSpec("m", "maps", MapType.HASH_OF_MAPS, 4, 4, 1),
            "it has no inner map: declare one with __array(",
        ),
    ],
)
def test_a_field_of_a_map(spec: MapSpec, why: str) -> None:
    error = refused(spec)
    assert type(error) is KernelError
    assert str(error).startswith("map 'm': create: ")
    assert f": {why}" in str(error)


@pytest.mark.parametrize(
    ("section", "since"),
    [
        ("fsession/cap_task_prctl", "7.0"),
        ("fentry.multi/cap_task_prctl", "7.2"),
        ("fentry/cap_task_prctl", ""),
    ],
)
def test_an_attach_type_that_the_verifier_does_not_know(section: str, since: str) -> None:
    hook = find(section)
    assert hook
    error = refusals.explain_attach_type(VerifierError("x", errno.EINVAL), "p", hook)
    if not since or machine.release() >= tuple(map(int, since.split("."))):
        assert error is None
        return
    assert error
    assert error.since == since
    kind = hook.attach_type.name.lower()
    release = ".".join(map(str, machine.release()))
    assert str(error) == f"program 'p': attach type {kind}: since {since}, this kernel is {release}"


def test_a_map_type_that_the_kernel_lacks() -> None:
    spec = MapSpec("m", ".maps", MapType.RHASH, 4, 4, 1, flags=MapFlag.NO_PREALLOC)
    if machine.release() >= (7, 2, 0):
        pytest.skip("this kernel has every type")
    error = refused(spec)
    assert isinstance(error, NotSupported)
    this = ".".join(map(str, machine.release()))
    assert str(error) == f"map 'm': type rhash: since 7.2, this kernel is {this}"
    assert (error.feature, error.since) == ("map type RHASH", "7.2")


def test_too_many_instructions_without_privilege() -> None:
    output = child.run(
        """
from beepy.collection import refusals
from beepy.errors import KernelError
from beepy.sections import find
from beepy.kernel import program
from beepy.obj.insn import EXIT, Insn, encode
from tests.support.capabilities import keep

hook = find("cgroup_skb/egress")
insns = (*[Insn(0xB7)] * 5000, Insn(EXIT))
keep(())
try:
    code = encode(insns)
    program.load("long", "socket", hook.prog_type, code, "GPL", attach_type=hook.attach_type)
except KernelError as error:
    print(refusals.explain_program(error, "long", insns, hook))
"""
    )
    assert "needs CAP_BPF" in output or "5001 instructions, at most 4096 without CAP_BPF" in output


def load_alone(section: str, insns: tuple[Insn, ...], hook: Hook | None = None) -> KernelError:
    hook = hook or find(section)
    assert hook
    with pytest.raises(KernelError) as caught:
        program.load(
            "p",
            section,
            hook.prog_type,
            encode(insns),
            "GPL",
            attach_type=hook.attach_type,
            flags=hook.flags,
        )
    return refusals.explain_program(caught.value, "p", insns, hook)


def test_an_attach_type_and_a_flag_that_the_kernel_refuses() -> None:
    wrong = Hook("cgroup/sock", ProgType.CGROUP_SOCK, AttachType.TRACE_FENTRY)
    error = load_alone("cgroup/sock", _RETURN, wrong)
    assert isinstance(error, NotSupported)
    assert str(error).startswith("program 'p': attach type trace_fentry: this kernel (")
    sleeping = Hook("xdp", ProgType.XDP, AttachType.XDP, flags=ProgFlag.SLEEPABLE)
    error = load_alone("xdp", _RETURN, sleeping)
    if isinstance(error, NotSupported):  # else the verifier refuses it
        assert str(error).startswith("program 'p': sleepable xdp programs: this kernel (")


_CALL = """
#include "test/trigger.h"
SEC("%s")
int call(void *ctx)
{
	return ((long (*)(void *, void *, long, long, long))%d)(ctx, ctx, 0, 0, 0);
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.parametrize(
    ("helper", "why"),
    [
        ("override_return", r"the kernel is (probably )?built without CONFIG_BPF_KPROBE_OVERRIDE"),
        ("probe_write_user", r"the kernel is (probably locked down|locked down \(\w+\))"),
    ],
)
def test_a_helper_that_policy_disables(compiled: ObjectOf, helper: str, why: str) -> None:
    spec = parse(Path(compiled(_CALL % ("kprobe", HELPERS.index(helper)))).read_bytes(), name="one")
    message = ""
    try:
        load(spec).close()
    except VerifierError as error:
        message = str(error)
    allowed = not message or "R1 type=" in message  # only its arguments are wrong
    assert allowed or re.search(f": helper {helper}: {why}$", message)


@pytest.mark.parametrize(
    ("section", "helper", "why"),
    [
        ("xdp", "override_return", "helper override_return: not for programs of type xdp"),
        (
            "raw_tp",
            "skb_store_bytes",
            "helper skb_store_bytes: not for programs of type raw_tracepoint",
        ),
        ("xdp", "probe_write_user", "helper probe_write_user: not for programs of type xdp"),
    ],
)
def test_a_helper_that_is_not_for_that_type(
    compiled: ObjectOf, section: str, helper: str, why: str
) -> None:
    spec = parse(Path(compiled(_CALL % (section, HELPERS.index(helper)))).read_bytes(), name="one")
    with pytest.raises(VerifierError) as caught:
        load(spec)
    assert str(caught.value).startswith("program 'call': verifier: ")
    assert str(caught.value).endswith(f": {why}")


def test_what_the_verifier_does_not_look_at(compiled: ObjectOf) -> None:
    """The kernel's log has nothing but statistics: no iterator begins with that function."""
    text = _CALL % ("iter/reg_target", HELPERS.index("get_smp_processor_id"))
    spec = parse(Path(compiled(text)).read_bytes(), name="one")
    with pytest.raises(KernelError, match=r"^program 'call': load: [a-z ]+ \(E[A-Z]+\)") as caught:
        load(spec)
    assert not isinstance(caught.value, VerifierError)


def test_a_helper_that_the_kernel_lacks() -> None:
    this = ".".join(map(str, machine.release()))
    for number in range(1, len(HELPERS)):
        first = since.helper(number)
        if since.order(first) > machine.release()[:2]:
            text = refusals.explain_helper(number, ProgType.KPROBE)
            assert text == f"helper {HELPERS[number]}: since {first}, this kernel is {this}"
    assert refusals.explain_helper(9999, ProgType.KPROBE) == "helper 9999: no kernel has it"


def test_a_newer_helper_is_named_with_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "release", lambda: (5, 10, 0))
    monkeypatch.setattr(features, "has_helper", lambda _: False)
    number = HELPERS.index("loop")
    assert (
        refusals.explain_helper(number, ProgType.KPROBE)
        == "helper loop: since 5.17, this kernel is 5.10.0"
    )
    assert refusals.not_in_this_kernel("map 'm': type ringbuf", "5.8") == (
        "map 'm': type ringbuf: this kernel (5.10.0) has none, though it came with 5.8"
    )


def test_a_kfunc_that_the_kernel_lacks(compiled: ObjectOf) -> None:
    text = """
#include "test/trigger.h"
extern int %s(int) __attribute__((section(".ksyms")))%s;
SEC("raw_tp")
int call(void *ctx)
{
	return %s(1);
}
char LICENSE[] SEC("license") = "GPL";
"""
    path = compiled(text % ("beepy_none", "", "beepy_none"))
    with pytest.raises(
        RelocationError,
        match="kernel symbol 'beepy_none': neither vmlinux nor a loaded module has it",
    ):
        load(parse(Path(path).read_bytes(), name="one"))
    path = compiled(text % ("beepy_none", " __attribute__((weak))", "beepy_none"))
    with pytest.raises(
        VerifierError,
        match=r"kernel symbol 'beepy_none': this kernel .* has none, and the call is reached",
    ):
        load(parse(Path(path).read_bytes(), name="one"))


def test_an_attachment_that_is_forbidden() -> None:
    output = child.run(
        """
from beepy.collection import refusals
from beepy.errors import AttachError
from beepy.sections import find
from tests.support.capabilities import keep

keep({"CAP_BPF"})
error = AttachError("program 'p': tracepoint: permission denied (EACCES)", 13)
error.add_note("advice")
explained = refusals.explain_attach(error, find("tp/a/b"))
print(type(explained).__name__, explained, explained.__notes__)
"""
    )
    begin = "AttachError program 'p': tracepoint: permission denied (EACCES): "
    assert output.startswith(
        f"{begin}needs CAP_BPF and CAP_PERFMON, this process lacks CAP_PERFMON"
    )
    assert output.endswith("['advice']\n")


def test_lookups_by_id_name_the_capability() -> None:
    output = child.run(
        """
from beepy.errors import KernelError
from beepy.kernel import btf, netns, program
from tests.support.capabilities import keep

keep({"CAP_BPF", "CAP_PERFMON"})
by_id = program.open_by_id
for ask in (lambda: by_id(1), lambda: btf.module("x"), lambda: netns.open_namespace("1")):
    try:
        ask().close()
    except KernelError as error:
        print(error)
"""
    )
    assert output.splitlines() == [
        "program 1: operation not permitted (EPERM): needs CAP_SYS_ADMIN",
        "btf: module 'x': operation not permitted (EPERM): needs CAP_SYS_ADMIN",
        "network namespace '1': permission denied (EACCES): needs CAP_SYS_PTRACE",
    ]


def test_a_hidden_address_names_the_capability(compiled: ObjectOf) -> None:
    source = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
extern const void vfs_read __ksym;
SEC("raw_tp/sys_enter") int p(void *context) { return (long)&vfs_read; }
char _license[] SEC("license") = "GPL";
"""
    output = child.run(
        f"""
from pathlib import Path
from beepy.collection import ksyms
from beepy.errors import RelocationError
from beepy.host import machine
from beepy.source import parse
from tests.support.capabilities import keep

spec = parse(Path({compiled(source)!r}).read_bytes(), name="one")
assert machine.kernel_addresses(["vfs_read"])["vfs_read"] != {{0}}
keep({{"CAP_BPF", "CAP_PERFMON"}})
try:
    addresses = machine.kernel_addresses(["vfs_read"])["vfs_read"]
    print(ksyms.resolve(spec)["vfs_read"].address == max(addresses))
except RelocationError as error:
    print(error)
"""
    )
    # kernel.perf_event_paranoid below 2 shows them to everybody
    hidden = "kernel symbol 'vfs_read': /proc/kallsyms hides its address: needs CAP_SYSLOG"
    assert output == "True\n" or output.endswith(f"{hidden}\n")


def test_other_errors_are_returned_unchanged() -> None:
    hook = find("tp/a/b")
    assert hook
    error = AttachError("busy", errno.EBUSY)
    assert refusals.explain_attach(error, hook) is error
    load_error = KernelError("busy", errno.EBUSY)
    assert refusals.explain_program(load_error, "p", (), hook) is load_error


def test_a_refusal_for_another_reason_than_capabilities() -> None:
    """Root is refused by something else in the kernel."""
    output = child.run(
        """
import errno
from beepy import uapi
from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.sys import call
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support.seccomp import refuse

spec = parse(bundled_store().get("exitsnoop"))
refuse(call.numbers().bpf, errno.EPERM, first_argument=uapi.Cmd.PROG_LOAD)
try:
    load(spec)
except KernelError as error:
    print(error)
"""
    )
    assert re.fullmatch(
        r"program 'sched_process_exit': load: operation not permitted \(EPERM\): "
        r"(the kernel is locked down \(\w+\)|a seccomp filter is active, as in containers)\n",
        output,
    )


ARM64 = """
#include "test/trigger.h"
struct user_pt_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
} __attribute__((preserve_access_index));
SEC("kprobe/do_exit")
int reads(struct user_pt_regs *ctx)
{
	return ctx->regs[0] != 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.skipif(os.uname().machine == "aarch64", reason="there it has these registers")
def test_an_object_for_another_architecture(compiled: ObjectOf) -> None:
    spec = parse(Path(compiled(ARM64)).read_bytes(), name="one")
    fixup = "struct user_pt_regs.regs[0] byte_off 0 -> missing"
    relocation = f"relocation 0 ({fixup}): the object is built for arm64"
    with pytest.raises(VerifierError, match=re.escape(relocation)):
        load(spec)
    texts = [finding.text for finding in check(spec).findings]
    assert f"program 'reads': {relocation}: it fails if the code is reached" in texts


def test_a_module_that_is_not_loaded(compiled: ObjectOf) -> None:
    spec = parse(Path(compiled(_CALL % ("fentry/beepy_none:none", 1))).read_bytes(), name="one")
    with pytest.raises(NotSupported) as caught:
        load(spec)
    assert (
        str(caught.value)
        == "program 'call': section 'fentry/beepy_none:none': module 'beepy_none' is not loaded"
    )
    assert caught.value.__notes__ == ["modprobe beepy_none"]
