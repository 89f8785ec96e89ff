"""Explain why the kernel refused a map, a program or an attachment, by asking it in smaller parts.

The kernel answers with an errno only. These functions run after a refusal and name the field, the
capability, or the first kernel with the feature. They change messages, never decisions.
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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

_PERMISSION: Final = (errno.EPERM, errno.EACCES)
_MAX_UNPRIVILEGED: Final = 4096  # instructions: BPF_MAXINSNS
# program types that have the helpers of bpf_tracing_func_proto
_TRACING: Final = frozenset(
    {
        *(ProgType.KPROBE, ProgType.TRACEPOINT, ProgType.PERF_EVENT, ProgType.RAW_TRACEPOINT),
        *(ProgType.RAW_TRACEPOINT_WRITABLE, ProgType.TRACING, ProgType.LSM, ProgType.SYSCALL),
    }
)
# lockdown takes the first from every program type, the second from tracing programs only
_LOCKED_FOR_ALL: Final = ("probe_read_kernel", "probe_read_kernel_str")
_LOCKED_FOR_TRACING: Final = ("probe_write_user", "probe_read", "probe_read_str")
# helpers that depend on an option: kprobe_prog_func_proto
_OPTIONS: Final = {("override_return", ProgType.KPROBE): "CONFIG_BPF_KPROBE_OVERRIDE"}
_PIN_DIRECTORY: Final = "/sys/fs/bpf/maps"  # in advice: where to pin a map of the right size
_ENTRIES: Final = 10240
_FLAGS: Final = {flag.value: f"BPF_F_{flag.name}" for flag in MapFlag}


def explain_btf(
    error: KernelError, programs: Sequence[tuple[ProgType, Sequence[Insn]]]
) -> KernelError:
    """Return why an object's BTF was not loaded: it needs the capabilities of ``programs``."""
    if error.errno not in _PERMISSION:
        return error
    needed = [requirements.capabilities(*program) for program in programs]
    return _with_capabilities(error, frozenset({"CAP_BPF"}).union(*needed))


def explain_map(error: KernelError, spec: MapSpec) -> KernelError:
    """Return why a map was not created; ``error`` itself if nothing more is known."""
    if isinstance(error, NotSupported):
        return error
    if error.errno in _PERMISSION:
        return _with_capabilities(error, capability.to_create(spec.type))
    if spec.type in (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS) and not spec.inner:
        return _reworded(
            error, f"{error}: it has no inner map: declare one with __array(values, ...)"
        )
    if error.errno == errno.ENOMEM:
        size = f"{spec.max_entries} entries of {spec.key_size} + {spec.value_size} bytes"
        return _reworded(error, f"{error}: {size}")
    try:
        map_type, adjusted = MapType(spec.type), maps.adjusted(spec)
        if not features.has_map_type(map_type):
            subject = f"map '{safe(spec.name)}': type {map_type.name.lower()}"
            feature, first = f"map type {map_type.name}", since.map_type(map_type)
            return _not_supported(error, subject, feature, first)
        refused_fields = list(_refused_fields(map_type, adjusted))
    except (ValueError, ElfError, KernelError):
        return error
    if not refused_fields:
        return error
    explained = _reworded(error, f"{error}: {', '.join(refused_fields)}")
    if not adjusted.max_entries and any(
        field.startswith("max_entries") for field in refused_fields
    ):
        _advise_size(explained, spec, map_type)
    return explained


def _advise_size(error: KernelError, spec: MapSpec, map_type: MapType) -> None:
    """Add commands that create a map of a size which the object leaves to its application."""
    path = safe(Pins(maps=_PIN_DIRECTORY).path(spec))
    flags = f" flags {spec.flags}" if spec.flags else ""
    sizes = f"key {spec.key_size} value {spec.value_size} entries {_ENTRIES}{flags}"
    name = safe(spec.name[: OBJ_NAME_LEN - 1])
    command = f"bpftool map create {path} type {map_type.name.lower()} {sizes} name {name}"
    error.add_note(f"mkdir -p {_PIN_DIRECTORY} && {command}")
    error.add_note(
        f"--pin-maps {_PIN_DIRECTORY} then uses it; in C it is __uint(max_entries, {_ENTRIES})"
    )


def _refused_fields(map_type: MapType, spec: MapSpec) -> Iterator[str]:
    """Yield the fields that the kernel refuses, by trying each alone in a map that it accepts."""
    valid = samples.sample(map_type)
    for field, value in (
        ("key_size", spec.key_size),
        ("value_size", spec.value_size),
        ("max_entries", spec.max_entries),
        ("map_extra", spec.map_extra),
    ):
        accepted = getattr(valid, field)
        if value == accepted:
            continue
        changed: Mapping[str, Any] = {field: value}
        number = samples.create_map(map_type, valid._replace(**changed))
        if not number:
            continue
        if field == "max_entries" and not value:
            reason = "its size is missing"
        elif number == errno.E2BIG and field != "map_extra":
            reason = "too large"
        else:
            reason = f"{accepted} is taken"
        yield f"{field} {value} ({reason})"
    if samples.create_map(map_type, valid._replace(map_flags=spec.flags)):
        yield f"map_flags {spec.flags:#x}{_explain_flags(map_type, valid, spec.flags)}"


def _explain_flags(map_type: MapType, valid: Sample, flags: int) -> str:
    """Return the names of the flags that the kernel refuses, or else of those that it requires."""
    bits = [1 << bit for bit in range(32)]
    added = [bit for bit in bits if flags & ~valid.map_flags & bit]
    refused = [
        bit
        for bit in added
        if samples.create_map(map_type, valid._replace(map_flags=valid.map_flags | bit))
    ]
    names = [f"{_FLAGS.get(bit, hex(bit))}{_if_newer(since.map_flags(bit))}" for bit in refused]
    if not refused:
        required = [bit for bit in bits if valid.map_flags & ~flags & bit]
        names = [f"without {_FLAGS.get(bit, hex(bit))}" for bit in required]
    return f" ({', '.join(names)})" if names else ""


def _if_newer(releases: Iterator[str]) -> str:
    """Return the newest of ``releases`` for a message, "" if it is not newer than this kernel."""
    first = since.newest(releases)
    return f": since {first}" if first and since.order(first) > machine.release()[:2] else ""


def explain_program(
    error: KernelError, name: str, insns: Sequence[Insn], hook: Hook
) -> KernelError:
    """Return why a program was refused without a verifier log; else ``error`` itself."""
    where = f"program '{safe(name)}'"
    prog_type = hook.prog_type
    if error.errno in _PERMISSION:
        return _with_capabilities(error, requirements.capabilities(prog_type, insns))
    if error.errno == errno.E2BIG and len(insns) > _MAX_UNPRIVILEGED:
        return _reworded(error, f"{error}: {len(insns)} instructions{_size_limit()}")
    if error.errno != errno.EINVAL:
        return error
    try:
        if not features.has_prog_type(prog_type):
            subject = f"{where}: program type {prog_type.name.lower()}"
            feature, first = f"program type {prog_type.name}", since.prog_type(prog_type)
            return _not_supported(error, subject, feature, first)
        if not samples.is_known(prog_type, hook.attach_type, ProgFlag(0)):
            return _without_attach_type(error, where, hook.attach_type)
        if hook.flags and not samples.is_known(prog_type, hook.attach_type, hook.flags):
            return _without_flags(error, where, hook)
    except KernelError:
        pass
    return error


def explain_attach_type(error: KernelError, name: str, hook: Hook) -> NotSupported | None:
    """Return that the kernel does not know a program's attach type, None if its BTF lists it.

    The verifier refuses unknown attach types of TRACING and LSM with a misleading log or none.
    """
    if hook.kernel_type("") is None and hook.prog_type != ProgType.TRACING:
        return None
    vmlinux = btf.vmlinux()
    enum_id = vmlinux.find("bpf_attach_type", Kind.ENUM)
    enum = vmlinux.type(enum_id) if enum_id else None
    if not isinstance(enum, Enum):
        return None
    if f"BPF_{hook.attach_type.name}" in {enumerator.name for enumerator in enum.values}:
        return None
    return _without_attach_type(error, f"program '{safe(name)}'", hook.attach_type)


def _without_flags(error: KernelError, where: str, hook: Hook) -> KernelError:
    if hook.flags & ProgFlag.SLEEPABLE:
        feature = f"sleepable {hook.prog_type.name.lower()} programs"
        first = since.sleepable(hook.prog_type, hook.attach_type)
    else:
        feature = f"BPF_F_{', BPF_F_'.join([flag.name or '' for flag in hook.flags])}"
        first = since.newest(since.prog_flags(hook.flags))
    return _not_supported(error, f"{where}: {feature}", feature, first)


def _without_attach_type(error: KernelError, where: str, attach_type: AttachType) -> NotSupported:
    subject = f"{where}: attach type {attach_type.name.lower()}"
    feature, first = f"attach type {attach_type.name}", since.attach_type(attach_type)
    return _not_supported(error, subject, feature, first)


def _not_supported(error: KernelError, subject: str, feature: str, first: str) -> NotSupported:
    """Return that this kernel lacks ``feature``, which came with the release ``first``."""
    return NotSupported(not_in_this_kernel(subject, first), error.errno or 0, feature, first)


def not_in_this_kernel(subject: str, first: str) -> str:
    """Return that this kernel lacks ``subject``; ``first`` is its first release, "" if unknown."""
    if first and since.order(first) > machine.release()[: len(since.order(first))]:
        return f"{subject}: since {first}, this kernel is {machine.version()}"
    # a newer kernel that lacks it was built without it
    although = f", though it came with {first}" if first else ""
    return f"{subject}: this kernel ({machine.version()}) has none{although}"


def _size_limit() -> str:
    if privilege.lacking({"CAP_BPF"}):
        return f", at most {_MAX_UNPRIVILEGED} without CAP_BPF"
    return f", at most {_MAX_UNPRIVILEGED} before {Feature.LARGE_PROGRAMS.since}, 1000000 since"


def explain_attach(error: KernelError, hook: Hook) -> KernelError:
    """Return which capability attaching needs, if ``error`` is one of permission."""
    if error.errno not in _PERMISSION or "CAP_" in str(error):
        return error
    needed = capability.to_load(hook.prog_type) | capability.to_attach(hook.prog_type)
    reason = privilege.why_refused(needed, perf="CAP_PERFMON" in needed)
    return _reworded(error, f"{error}: {reason}") if reason else error


def explain_helper(number: int, prog_type: ProgType) -> str:
    """Return why the verifier refuses the call of the helper with this number."""
    if not 0 < number < len(HELPERS):
        return f"helper {number}: no kernel has it"
    name, first = HELPERS[number], since.helper(number)
    if not features.has_helper(number):
        return not_in_this_kernel(f"helper {name}", first)
    if missing := privilege.lacking(capability.to_call(name)):
        return f"helper {name}: needs {', '.join(missing)}"
    if policy := _policy(name, prog_type):
        return f"helper {name}: {policy}"
    return f"helper {name}: not for programs of type {prog_type.name.lower()}"


def _policy(name: str, prog_type: ProgType) -> str:
    """Return the configuration or lockdown that disables a helper, "" if none does."""
    if option := _OPTIONS.get((name, prog_type)):
        try:
            is_set = kconfig.options().get(option) == "y"
        except KernelError:
            return f"the kernel is probably built without {option}"
        return "" if is_set else f"the kernel is built without {option}"
    if name in _LOCKED_FOR_ALL or (name in _LOCKED_FOR_TRACING and prog_type in _TRACING):
        level = privilege.lockdown()
        return (
            f"the kernel is locked down ({level})"
            if level
            else "the kernel is probably locked down"
        )
    return ""


def explain_symbol(name: str) -> str:
    """Return that this kernel lacks a kfunc or variable, and which module would have it."""
    text = not_in_this_kernel(f"kernel symbol '{safe(name)}'", since.kfunc(name))
    module = ksyms.module_of(name)
    return f"{text}: module {module} has it" if module and not machine.is_loaded(module) else text


def _with_capabilities(error: KernelError, needed: frozenset[str]) -> KernelError:
    """Return ``error`` with the capability that is missing, or that none of ``needed`` is."""
    if "CAP_" in str(error):
        return error
    reason = privilege.why_refused(needed) or "not a missing capability"
    return _reworded(error, f"{error}: {reason}")


def _reworded(error: KernelError, message: str) -> KernelError:
    """Return an error of the same class, errno and notes with another message."""
    kind = AttachError if isinstance(error, AttachError) else KernelError
    return restated(kind(message, error.errno or 0), error)
