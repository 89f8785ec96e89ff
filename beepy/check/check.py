"""Whether a kernel can run an object: what ``plan`` decides for it, and what the running kernel says when it loads it.

Nothing is attached, pinned or kept. What the code may never reach is a warning: a helper or a field that is missing.
"""

from collections.abc import Iterator, Sequence

from beepy import hooks, sections, since
from beepy.analysis import requirements
from beepy.btf.btf import Btf
from beepy.btf.names import essential_name
from beepy.btf.types import Kind
from beepy.check.findings import ERROR, WARNING, Checked, Finding
from beepy.check.kernels import Kernel, OtherKernel, ThisKernel
from beepy.collection import structops
from beepy.collection.absent import Absent, lacks
from beepy.collection.load import load_planned
from beepy.collection.plan import Plan, Refusal, plan, resolver_of
from beepy.collection.verdict import built_for
from beepy.core.resolve import Fixup
from beepy.errors import BeepyError, KernelError, NotSupported
from beepy.features import OLDER_HELPERS
from beepy.hooks import Target
from beepy.obj.sections import KSYMS
from beepy.obj.spec import CollectionSpec, ExternRef, JumpTableRef, MapSpec, ProgramSpec
from beepy.sections import Hook
from beepy.text import safe
from beepy.uapi import HELPERS, MapType


def check(spec: CollectionSpec, btf: Btf | None = None) -> Checked:
    """Look up all that ``spec`` names in the running kernel, or in the kernel whose types are given."""
    kernel: Kernel = OtherKernel(btf) if btf else ThisKernel()
    spec = spec._replace(maps=tuple([one._replace(pinning=0) for one in spec.maps]))
    refusals: list[Refusal] = []
    findings = [finding for one in spec.maps for finding in _map(one, kernel)]
    try:
        operations = structops.plan(spec, btf)
    except BeepyError as error:
        operations = []
        refusals.append(Refusal("", error))
        findings.append(Finding(ERROR, str(error)))
    planned = plan(spec, {}, operations, refusals.append, kernel=btf)
    for program in spec.loaded:
        own = [refusal for refusal in refusals if refusal.program == program.name]
        findings += _refused(spec, own)
        findings += _program(program, kernel, own, planned.fixups.get(program.name, ()))
    findings += _symbols(spec, kernel) if isinstance(kernel, OtherKernel) else _loaded(planned, refusals, findings)
    return Checked(kernel.name, tuple(dict.fromkeys(findings)), planned.fixups)


def fixups(spec: CollectionSpec, btf: Btf | None = None) -> dict[str, tuple[Fixup, ...]]:
    """Return what each CO-RE relocation becomes, by program. Raises RelocationError, NotSupported."""
    resolver = resolver_of(spec, btf)
    return {program.name: resolver.fixups(program) for program in spec.programs if resolver and program.core}


def _map(one: MapSpec, kernel: Kernel) -> Iterator[Finding]:
    if one.type not in set(MapType):
        yield Finding(ERROR, f"map '{safe(one.name)}': type {one.type}: unknown")
    elif not kernel.has_map_type(kind := MapType(one.type)):
        yield Finding(ERROR, f"map '{safe(one.name)}': type {kind.name.lower()}{_first(since.map_type(kind))}")
    if one.inner:
        yield from _map(one.inner, kernel)


def _refused(spec: CollectionSpec, refusals: Sequence[Refusal]) -> Iterator[Finding]:
    """Yield why a program cannot be loaded, but for what it attaches to."""
    for refusal in refusals:
        if not refusal.attaching:
            yield Finding(ERROR, str(refusal.error).removeprefix(f"{safe(spec.name)}: "))


def _program(
    program: ProgramSpec, kernel: Kernel, refusals: Sequence[Refusal], resolved: Sequence[Fixup]
) -> Iterator[Finding]:
    where = f"program '{safe(program.name)}'"
    hook = sections.find(program.section)
    if hook is None:
        return
    kind, attach_type = hook.prog_type, hook.attach_type
    if not kernel.has_prog_type(kind):
        yield Finding(ERROR, f"{where}: program type {kind.name.lower()}{_first(since.prog_type(kind))}", skipped=True)
    elif hook.needs_attach_type and not kernel.has_attach_type(attach_type):
        told = f"attach type {attach_type.name.lower()}{_first(since.attach_type(attach_type))}"
        yield Finding(ERROR, f"{where}: {told}", skipped=True)
    target = Target(sections.target(hook, program.section))
    not_found = [refusal.error for refusal in refusals if refusal.attaching]
    yield from [_not_found(where, hook, target, error, kernel) for error in not_found]
    if not not_found:
        yield from _points(where, hook, target, kernel)
    for number, fixup in enumerate(resolved):
        if fixup.poison:
            built = f"{why}: " if isinstance(kernel, ThisKernel) and (why := built_for(fixup)) else ""
            yield Finding(WARNING, f"{where}: relocation {number} ({fixup}): {built}it fails if the code is reached")
    tables = MapType.INSN_ARRAY
    if any(isinstance(ref, JumpTableRef) for ref in program.refs) and not kernel.has_map_type(tables):
        yield Finding(ERROR, f"{where}: jump tables{_first(since.map_type(tables))}")
    for number in requirements.helpers(program.insns):
        if not kernel.has_helper(number):
            yield _helper(where, number)


def _helper(where: str, number: int) -> Finding:
    name = HELPERS[number] if number < len(HELPERS) else f"{number}"
    if number in OLDER_HELPERS:
        return Finding(WARNING, f"{where}: helper {name}: {HELPERS[OLDER_HELPERS[number]]} in its place")
    return Finding(WARNING, f"{where}: helper {name}{_first(since.helper(number))}; it fails if the code is reached")


def _first(release: str) -> str:
    return f": not there, since {release}" if release else ": not there"


def _not_found(where: str, hook: Hook, target: Target, error: BeepyError, kernel: Kernel) -> Finding:
    """Return the finding for a type to attach to, or a program, that was not found or could not be looked up."""
    wanted = hook.kernel_type(target.name)
    if wanted and target.name and isinstance(error, NotSupported) and error.feature == wanted[1]:
        text = kernel.has_no(wanted[1])
    else:
        text = str(error).removeprefix(f"{where}: ")
    return Finding(ERROR, f"{where}: {text}", skipped=lacks(error))


def _points(where: str, hook: Hook, target: Target, kernel: Kernel) -> Iterator[Finding]:
    """Yield the first thing that a kernel lacks of those by which such a program is attached."""
    try:
        for point in hooks.points(hook, target, kernel.machine):
            if why := kernel.lacks(point):
                yield Finding(ERROR, f"{where}: {why}", skipped=True)
                return
    except KernelError as error:
        yield Finding(ERROR, f"{where}: {error}", skipped=lacks(error))


def _symbols(spec: CollectionSpec, kernel: OtherKernel) -> Iterator[Finding]:
    """Yield what another kernel's types do not have; those of its modules are not here."""
    used = {ref.name for program in spec.loaded for ref in program.refs if isinstance(ref, ExternRef)}
    for extern in spec.externs:
        if extern.section != KSYMS or extern.weak or extern.name not in used:
            continue
        name, kind = (essential_name(extern.name), Kind.FUNC) if extern.function else (extern.name, Kind.VAR)
        if not kernel.has_type(name, kind):
            level = ERROR if extern.function else WARNING  # types name few variables
            told = f"kernel symbol '{safe(extern.name)}': not among its types, unless a module has it"
            first = since.kfunc(name)
            yield Finding(level, told + (f"; since {first}" if first else ""))


def _loaded(planned: Plan, refusals: Sequence[Refusal], known: Sequence[Finding]) -> Iterator[Finding]:
    """Load into the running kernel what is planned, and yield what it says beyond what is known.

    What is refused for other reasons than what the kernel lacks, nobody loads.
    """
    if not all(refusal.attaching and lacks(refusal.error) for refusal in refusals):
        return
    absent = Absent("note")
    for refusal in refusals:
        absent.skip(refusal.program, refusal.error)
    texts = [finding.text for finding in known if finding.level == ERROR]
    try:
        with load_planned(planned, absent):
            for name, why in absent.skipped.items():
                if not any(text.startswith(f"program '{safe(name)}': ") for text in texts):
                    yield Finding(ERROR, why, skipped=True)
    except BeepyError as error:
        if str(error).removeprefix(f"{safe(planned.spec.name)}: ") not in texts:
            yield Finding(ERROR, str(error))
