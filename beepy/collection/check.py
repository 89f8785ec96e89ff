"""Whether a kernel can run an object: everything that it names is looked up, and the running kernel loads it as well.

Nothing is attached, pinned or kept. What the code may never reach is a warning: a helper or a field that is missing.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from typing import Final

from beepy import hooks, since
from beepy.btf.btf import Btf
from beepy.btf.names import essential_name
from beepy.btf.types import Kind
from beepy.collection import load as loading
from beepy.collection import needs, structops
from beepy.collection.findings import ERROR, WARNING, Checked, Finding
from beepy.collection.kernels import Kernel, OtherKernel, ThisKernel
from beepy.collection.verdict import built_for
from beepy.core.patch import patch
from beepy.core.resolve import Fixup, Resolver
from beepy.errors import BeepyError, KernelError
from beepy.features import OLDER_HELPERS
from beepy.hooks import Hook, kprobe
from beepy.obj.sections import KSYMS
from beepy.obj.spec import CollectionSpec, ExternRef, JumpTableRef, MapSpec, ProgramSpec
from beepy.text import safe
from beepy.uapi import HELPERS, MapType, ProgType

_SYSCALLS: Final = ("kprobe.attach_syscall", "kprobe.attach_syscall_return")
_MALFORMED: Final = "tracepoint: expected CATEGORY/NAME"
_FUNCTIONS: Final = ("kprobe.attach", "kprobe.attach_return")


def check(spec: CollectionSpec, btf: Btf | None = None) -> Checked:
    """Look up all that ``spec`` names in the running kernel, or in the kernel whose types are given."""
    kernel: Kernel = OtherKernel(btf) if btf else ThisKernel()
    resolver = _resolver(spec, kernel)
    programs = spec.loaded
    findings = [finding for one in spec.maps for finding in _map(one, kernel)]
    findings += _operations(spec, btf) if btf else ()
    fixups: dict[str, tuple[Fixup, ...]] = {}
    for one in programs:
        if resolver and one.core:
            try:
                fixups[one.name] = resolver.fixups(one)
                patch(one, fixups[one.name])
            except BeepyError as error:
                findings.append(Finding(ERROR, str(error)))
        findings += _program(one, kernel, fixups.get(one.name, ()))
    findings += _symbols(spec, programs, kernel) if btf else _loaded(spec, findings)
    return Checked(kernel.name, tuple(dict.fromkeys(findings)), fixups)


def fixups(spec: CollectionSpec, btf: Btf | None = None) -> dict[str, tuple[Fixup, ...]]:
    """Return what each CO-RE relocation becomes, by program. Raises RelocationError, NotSupported."""
    resolver = _resolver(spec, OtherKernel(btf) if btf else ThisKernel())
    return {one.name: resolver.fixups(one) for one in spec.programs if resolver and one.core}


def _resolver(spec: CollectionSpec, kernel: Kernel) -> Resolver | None:
    if spec.btf is None:
        return None
    resolver = Resolver(spec.btf, kernel.types)
    resolver.prefetch(spec.programs)
    return resolver


def _map(one: MapSpec, kernel: Kernel) -> Iterator[Finding]:
    if one.type not in set(MapType):
        yield Finding(ERROR, f"map '{safe(one.name)}': type {one.type}: unknown")
    elif not kernel.has_map_type(kind := MapType(one.type)):
        yield Finding(ERROR, f"map '{safe(one.name)}': type {kind.name.lower()}{_first(since.map_type(kind))}")
    if one.inner:
        yield from _map(one.inner, kernel)


def _operations(spec: CollectionSpec, btf: Btf) -> Iterator[Finding]:
    try:
        structops.plan(spec, btf)
    except BeepyError as error:
        yield Finding(ERROR, str(error))


def _program(one: ProgramSpec, kernel: Kernel, resolved: Sequence[Fixup]) -> Iterator[Finding]:
    where = f"program '{safe(one.name)}'"
    hook = hooks.find(one.section)
    if hook is None:
        yield Finding(ERROR, f"{where}: {hooks.unknown(one.section)}")
        return
    kind, attach_type = hook.prog_type, hook.attach_type
    if not kernel.has_prog_type(kind):
        yield Finding(ERROR, f"{where}: program type {kind.name.lower()}{_first(since.prog_type(kind))}", skipped=True)
    elif attach_type and not hook.optional and not kernel.has_attach_type(attach_type):
        told = f"attach type {attach_type.name.lower()}{_first(since.attach_type(attach_type))}"
        yield Finding(ERROR, f"{where}: {told}", skipped=True)
    try:
        why = _point(hook, one, kernel)
        absent = why != _MALFORMED
    except KernelError as error:
        why, absent = str(error), error.errno not in {errno.EPERM, errno.EACCES}
    if why:
        yield Finding(ERROR, f"{where}: {why}", skipped=absent)
    for number, fixup in enumerate(resolved):
        if fixup.poison:
            built = f"{why}: " if kernel.runs and (why := built_for(fixup)) else ""
            yield Finding(WARNING, f"{where}: relocation {number} ({fixup}): {built}it fails if the code is reached")
    tables = MapType.INSN_ARRAY
    if any(isinstance(ref, JumpTableRef) for ref in one.refs) and not kernel.has_map_type(tables):
        yield Finding(ERROR, f"{where}: jump tables{_first(since.map_type(tables))}")
    for number in needs.helpers(one.insns):
        if not kernel.has_helper(number):
            yield _helper(where, number)


def _helper(where: str, number: int) -> Finding:
    name = HELPERS[number] if number < len(HELPERS) else f"{number}"
    if number in OLDER_HELPERS:
        return Finding(WARNING, f"{where}: helper {name}: {HELPERS[OLDER_HELPERS[number]]} in its place")
    return Finding(WARNING, f"{where}: helper {name}{_first(since.helper(number))}; it fails if the code is reached")


def _first(release: str) -> str:
    return f": not there, since {release}" if release else ": not there"


def _point(hook: Hook, one: ProgramSpec, kernel: Kernel) -> str:
    """Return why what the program attaches to is not there, "" if it is, or is said elsewhere."""
    name = hooks.target(hook, one.section)
    missing = _named(hook, name, kernel) if name else ""
    return missing or kernel.no_probes("uprobe" if hook.module == "usdt" else hook.module)


def _named(hook: Hook, name: str, kernel: Kernel) -> str:
    """Return why there is nothing of that name to attach to."""
    if hook.btf_target and hook.prog_type not in (ProgType.EXT, ProgType.STRUCT_OPS):
        prefix, kind = hook.btf_target
        wanted = prefix + name.rpartition(":")[2].partition("/")[0]
        return "" if any(_has(types, wanted, kind) for types in kernel.types()) else _none(wanted, kernel)
    match hook.mechanism:
        case "tracepoint.attach":
            category, slash, event = name.partition("/")
            return safe(kernel.tracepoint(category, event)) if slash else _MALFORMED
        case "raw_tracepoint.attach":
            return "" if kernel.has_raw_tracepoint(name) else _none(f"raw tracepoint {name}", kernel)
        case place if place in _SYSCALLS:
            return "" if kernel.has_syscall(name) else _none(f"system call {name}", kernel)
        case place if place in _FUNCTIONS:
            function = kprobe.parse(name)[0].rpartition(":")[2]
            if kernel.runs:
                function = kprobe.native_name(function, os.uname().machine)
            return "" if kernel.has_function(function) else _none(f"function {function}", kernel)
        case "kprobe_multi.attach" | "kprobe_multi.attach_return" if not set(name) & set("*?"):
            return "" if kernel.has_function(name) else _none(f"function {name}", kernel)
        case _:
            return ""


def _has(types: Btf, name: str, kind: Kind) -> bool:
    return any(types.kind(one) is kind for one in types.named(name))


def _none(what: str, kernel: Kernel) -> str:
    return f"{kernel.name} has no {safe(what)}{'' if kernel.runs else ' among its types'}"


def _symbols(spec: CollectionSpec, programs: Sequence[ProgramSpec], kernel: Kernel) -> Iterator[Finding]:
    """Yield what another kernel's types do not have; those of its modules are not here."""
    used = {ref.name for one in programs for ref in one.refs if isinstance(ref, ExternRef)}
    for extern in spec.externs:
        if extern.section != KSYMS or extern.weak or extern.name not in used:
            continue
        name, kind = (essential_name(extern.name), Kind.FUNC) if extern.function else (extern.name, Kind.VAR)
        if not any(_has(types, name, kind) for types in kernel.types()):
            level = ERROR if extern.function else WARNING  # types name few variables
            told = f"kernel symbol '{safe(extern.name)}': not among its types, unless a module has it"
            first = since.kfunc(name)
            yield Finding(level, told + (f"; since {first}" if first else ""))


def _loaded(spec: CollectionSpec, known: Sequence[Finding]) -> Iterator[Finding]:
    """Load into the running kernel what can be, and yield what it says beyond what is known."""
    spec = spec._replace(maps=tuple([one._replace(pinning=0) for one in spec.maps]))
    texts = [one.text for one in known if one.level == ERROR]
    try:
        with loading.load(spec, missing="note") as collection:
            for name, why in collection.absent.skipped.items():
                if not any(text.startswith(f"program '{safe(name)}': ") for text in texts):
                    yield Finding(ERROR, why, skipped=True)
    except BeepyError as error:
        if str(error).removeprefix(f"{safe(spec.name)}: ") not in texts:
            yield Finding(ERROR, str(error))
