"""Why the kernel refused a map, a program or an attachment: found out by trying, once it has.

What it says is an errno. The answer here names the field, the capability or the first kernel that has what was asked
for; nothing is decided by it.
"""

import errno
from collections.abc import Iterator, Sequence
from typing import Final

from beepy import capability, maps, since
from beepy.analysis import requirements
from beepy.btf.types import Enum, Kind
from beepy.collection import ksyms
from beepy.errors import AttachError, ElfError, KernelError, NotSupported, restated
from beepy.features import Feature
from beepy.host import kconfig, machine
from beepy.kernel import btf, features, privilege, samples
from beepy.map_types import Sample
from beepy.obj.insn import Insn
from beepy.obj.pinning import Pins
from beepy.obj.spec import MapSpec
from beepy.sections import Hook
from beepy.text import safe
from beepy.uapi import HELPERS, OBJ_NAME_LEN, AttachType, MapFlag, MapType, ProgFlag, ProgType

_REFUSED: Final = (errno.EPERM, errno.EACCES)
_MAX_UNPRIVILEGED: Final = 4096  # instructions: BPF_MAXINSNS
# types of programs that have the helpers of bpf_tracing_func_proto
_TRACING: Final = frozenset(
    {
        *(ProgType.KPROBE, ProgType.TRACEPOINT, ProgType.PERF_EVENT, ProgType.RAW_TRACEPOINT),
        *(ProgType.RAW_TRACEPOINT_WRITABLE, ProgType.TRACING, ProgType.LSM, ProgType.SYSCALL),
    }
)
_READING_KERNEL: Final = ("probe_read_kernel", "probe_read_kernel_str")  # which lockdown takes from every type
_LOCKED: Final = ("probe_write_user", "probe_read", "probe_read_str")
_OPTIONS: Final = {("override_return", ProgType.KPROBE): "CONFIG_BPF_KPROBE_OVERRIDE"}  # kprobe_prog_func_proto
_PINNED: Final = "/sys/fs/bpf/maps"  # of the advice: where a map of another size may be pinned
_ENTRIES: Final = 10240
_FLAGS: Final = {flag.value: f"BPF_F_{flag.name}" for flag in MapFlag}


def lacks(what: str, first: str) -> str:
    """Return how a kernel is told to lack something that came with the release ``first`` ("": not known)."""
    if first and since.order(first) > machine.release()[: len(since.order(first))]:
        return f"{what}: since {first}, this kernel is {machine.version()}"
    return f"{what}: this kernel ({machine.version()}) has none" + (f", though it came with {first}" if first else "")


def of_types(error: KernelError, programs: Sequence[tuple[ProgType, Sequence[Insn]]]) -> KernelError:
    """Return why an object's types were not loaded: what its ``programs`` need, is needed for them as well."""
    if error.errno not in _REFUSED:
        return error
    return _forbidden(
        error, frozenset({"CAP_BPF"}).union(*[requirements.capabilities(*program) for program in programs])
    )


def of_map(error: KernelError, spec: MapSpec) -> KernelError:
    """Return why a map was not created; ``error`` itself where nothing more is known."""
    if isinstance(error, NotSupported):
        return error
    if error.errno in _REFUSED:
        return _forbidden(error, capability.to_create(spec.type))
    if spec.type in (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS) and not spec.inner:
        return _same(error, f"{error}: it has no inner map: declare one with __array(values, ...)")
    if error.errno == errno.ENOMEM:
        return _same(error, f"{error}: {spec.max_entries} entries of {spec.key_size} + {spec.value_size} bytes")
    try:
        kind, wanted = MapType(spec.type), maps.adjusted(spec)
        if not features.has_map_type(kind):
            what = f"map '{safe(spec.name)}': type {kind.name.lower()}"
            return _not_supported(error, what, f"map type {kind.name}", since.map_type(kind))
        faults = list(_faults(kind, wanted))
    except (ValueError, ElfError, KernelError):
        return error
    explained = _same(error, f"{error}: {', '.join(faults)}") if faults else error
    if not wanted.max_entries and any(fault.startswith("max_entries") for fault in faults):
        _advise_size(explained, spec, kind)
    return explained


def _advise_size(error: KernelError, spec: MapSpec, kind: MapType) -> None:
    """Say what can be done about a map whose size the program that it was made for sets."""
    path = safe(Pins(maps=_PINNED).path(spec))
    flags = f" flags {spec.flags}" if spec.flags else ""
    sizes = f"key {spec.key_size} value {spec.value_size} entries {_ENTRIES}{flags}"
    name = safe(spec.name[: OBJ_NAME_LEN - 1])
    made = f"bpftool map create {path} type {kind.name.lower()} {sizes} name {name}"
    error.add_note(f"mkdir -p {_PINNED} && {made}")
    error.add_note(f"--pin-maps {_PINNED} then uses it; in C it is __uint(max_entries, {_ENTRIES})")


def _faults(kind: MapType, spec: MapSpec) -> Iterator[str]:
    """Yield the fields that the kernel refuses, each tried alone in a map that it takes."""
    good = samples.sample(kind)
    asked = good._replace(
        key_size=spec.key_size, value_size=spec.value_size, max_entries=spec.max_entries, map_extra=spec.map_extra
    )
    for field, alone in (
        ("key_size", good._replace(key_size=spec.key_size)),
        ("value_size", good._replace(value_size=spec.value_size)),
        ("max_entries", good._replace(max_entries=spec.max_entries)),
        ("map_extra", good._replace(map_extra=spec.map_extra)),
    ):
        why = samples.create_map(kind, alone) if alone != good else 0
        if why:
            taken = "too large" if why == errno.E2BIG and field != "map_extra" else f"{getattr(good, field)} is taken"
            if field == "max_entries" and not spec.max_entries:
                taken = "its size is missing"
            yield f"{field} {getattr(asked, field)} ({taken})"
    if samples.create_map(kind, good._replace(map_flags=spec.flags)):
        yield f"map_flags {spec.flags:#x}{_flags(kind, good, spec.flags)}"


def _flags(kind: MapType, good: Sample, flags: int) -> str:
    """Return which flags are refused, or else which are needed, by name."""
    bits = [1 << bit for bit in range(32)]
    added = [bit for bit in bits if flags & ~good.map_flags & bit]
    refused = [bit for bit in added if samples.create_map(kind, good._replace(map_flags=good.map_flags | bit))]
    names = [f"{_FLAGS.get(bit, hex(bit))}{_newer(since.map_flags(bit))}" for bit in refused]
    if not refused:
        names = [f"without {_FLAGS.get(bit, hex(bit))}" for bit in bits if good.map_flags & ~flags & bit]
    return f" ({', '.join(names)})" if names else ""


def _newer(releases: Iterator[str]) -> str:
    first = since.newest(releases)
    return f": since {first}" if first and since.order(first) > machine.release()[:2] else ""


def of_program(error: KernelError, name: str, insns: Sequence[Insn], hook: Hook) -> KernelError:
    """Return why a program was refused without a word of the verifier's; ``error`` where nothing more is known."""
    where = f"program '{safe(name)}'"
    if error.errno in _REFUSED:
        return _forbidden(error, requirements.capabilities(hook.prog_type, insns))
    if error.errno == errno.E2BIG and len(insns) > _MAX_UNPRIVILEGED:
        return _same(error, f"{error}: {len(insns)} instructions{_size_limit()}")
    if error.errno != errno.EINVAL:
        return error
    try:
        if not features.has_prog_type(hook.prog_type):
            kind = hook.prog_type.name
            what = f"{where}: program type {kind.lower()}"
            return _not_supported(error, what, f"program type {kind}", since.prog_type(hook.prog_type))
        if not samples.is_known(hook.prog_type, hook.attach_type, ProgFlag(0)):
            return _without_attach_type(error, where, hook.attach_type)
        if hook.flags and not samples.is_known(hook.prog_type, hook.attach_type, hook.flags):
            return _flagged(error, where, hook)
    except KernelError:
        pass
    return error


def of_attach_type(error: KernelError, name: str, hook: Hook) -> NotSupported | None:
    """Return that the kernel does not know a program's attach type, if its types show none of that name.

    The verifier itself refuses those of TRACING and LSM, in other words or in none.
    """
    if hook.kernel_type("") is None and hook.prog_type != ProgType.TRACING:
        return None
    kernel = btf.vmlinux()
    listed = kernel.find("bpf_attach_type", Kind.ENUM)
    known = kernel.type(listed) if listed else None
    if not isinstance(known, Enum) or f"BPF_{hook.attach_type.name}" in {one.name for one in known.values}:
        return None
    return _without_attach_type(error, f"program '{safe(name)}'", hook.attach_type)


def _flagged(error: KernelError, where: str, hook: Hook) -> KernelError:
    if hook.flags & ProgFlag.SLEEPABLE:
        feature = f"{hook.prog_type.name.lower()} programs that sleep"
        first = since.sleepable(hook.prog_type, hook.attach_type)
    else:
        feature = f"BPF_F_{', BPF_F_'.join([flag.name or '' for flag in hook.flags])}"
        first = since.newest(since.prog_flags(hook.flags))
    return _not_supported(error, f"{where}: {feature}", feature, first)


def _without_attach_type(error: KernelError, where: str, attach_type: AttachType) -> NotSupported:
    what = f"{where}: attach type {attach_type.name.lower()}"
    return _not_supported(error, what, f"attach type {attach_type.name}", since.attach_type(attach_type))


def _not_supported(error: KernelError, what: str, feature: str, first: str) -> NotSupported:
    """Return that the kernel lacks ``feature``, which came with the release ``first``; ``what`` is for the message."""
    return NotSupported(lacks(what, first), error.errno or 0, feature, first)


def _size_limit() -> str:
    if privilege.lacking({"CAP_BPF"}):
        return f", at most {_MAX_UNPRIVILEGED} without CAP_BPF"
    return f", at most {_MAX_UNPRIVILEGED} before {Feature.LARGE_PROGRAMS.since}, 1000000 since"


def of_attachment(error: KernelError, hook: Hook) -> KernelError:
    """Return why a program was not attached, where the kernel forbids it."""
    if error.errno not in _REFUSED or "CAP_" in str(error):
        return error
    needed = capability.to_load(hook.prog_type) | capability.to_attach(hook.prog_type)
    why = privilege.why_refused(needed, perf="CAP_PERFMON" in needed)
    return _same(error, f"{error}: {why}") if why else error


def helper(number: int, prog_type: ProgType) -> str:
    """Return why the verifier refuses the call of a helper, by number."""
    if not 0 < number < len(HELPERS):
        return f"helper {number}: no kernel has it"
    name, first = HELPERS[number], since.helper(number)
    if not features.has_helper(number):
        return lacks(f"helper {name}", first)
    if missing := privilege.lacking(capability.to_call(name)):
        return f"helper {name}: needs {', '.join(missing)}"
    if why := _policy(name, prog_type):
        return f"helper {name}: {why}"
    return f"helper {name}: not for programs of type {prog_type.name.lower()}"


def _policy(name: str, prog_type: ProgType) -> str:
    """Return what took a helper from a type of program that has it otherwise; "" for any other."""
    if option := _OPTIONS.get((name, prog_type)):
        try:
            built = kconfig.options().get(option) == "y"
        except KernelError:
            return f"the kernel is probably built without {option}"
        return "" if built else f"the kernel is built without {option}"
    if name in _READING_KERNEL or (name in _LOCKED and prog_type in _TRACING):
        level = privilege.lockdown()
        return f"the kernel is locked down ({level})" if level else "the kernel is probably locked down"
    return ""


def lacks_symbol(name: str) -> str:
    """Return how this kernel is told to lack a kfunc or variable of its own."""
    told = lacks(f"kernel symbol '{safe(name)}'", since.kfunc(name))
    module = ksyms.module_of(name)
    return f"{told}: module {module} has it" if module and not machine.is_loaded(module) else told


def _forbidden(error: KernelError, capabilities: frozenset[str]) -> KernelError:
    if "CAP_" in str(error):
        return error
    why = privilege.why_refused(capabilities)
    return _same(error, f"{error}: {why}") if why else _same(error, f"{error}: not for want of a capability")


def _same(error: KernelError, message: str) -> KernelError:
    """Return an error of the same class with more in its message."""
    kind = AttachError if isinstance(error, AttachError) else KernelError
    return restated(kind(message, error.errno or 0), error)
