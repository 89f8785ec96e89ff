"""Check whether a kernel can run an object, without attaching, pinning or keeping anything.

The findings are what ``plan`` refuses, what a kernel lacks, and for the running kernel why it does
not load the object. What code may never reach (a missing helper or field) is a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from beepy import hooks, sections, since
from beepy.analysis import requirements
from beepy.btf.btf import Btf
from beepy.btf.names import essential_name
from beepy.btf.types import Kind
from beepy.check.kernels import BtfKernel, Kernel, RunningKernel
from beepy.collection import conditions, structops
from beepy.collection.load import load_planned
from beepy.collection.missing import SkippedPrograms, lacks
from beepy.collection.plan import Plan, Refusal, plan, resolver_of
from beepy.collection.verifier_log import built_for
from beepy.core.resolve import Fixup
from beepy.errors import BeepyError, KernelError, NotSupported
from beepy.features import OLDER_HELPERS
from beepy.hooks import Target
from beepy.obj.sections import KSYMS
from beepy.obj.spec import CollectionSpec, ExternRef, JumpTableRef, MapSpec, ProgramSpec
from beepy.sections import Hook
from beepy.text import safe
from beepy.uapi import HELPERS, MapType

ERROR: Final = "error"
WARNING: Final = "warning"
_IF_REACHED: Final = "it fails if the code is reached"


class Finding(NamedTuple):
    """An obstacle; ``level`` is ERROR or WARNING. ``skipped``: --missing skip skips its program."""

    level: str
    text: str
    skipped: bool = False


class CheckResult(NamedTuple):
    """What a kernel lacks for an object.

    ``fixups`` has the CO-RE relocations of each program that could be resolved, by name.
    """

    kernel: str
    findings: tuple[Finding, ...]
    fixups: Mapping[str, tuple[Fixup, ...]]

    @property
    def runs(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.level == ERROR for finding in self.findings)


def check(spec: CollectionSpec, btf: Btf | None = None) -> CheckResult:
    """Check ``spec`` against the running kernel, or against the kernel with the types ``btf``."""
    kernel: Kernel = BtfKernel(btf) if btf else RunningKernel()
    spec = spec._replace(maps=tuple([map_spec._replace(pinning=0) for map_spec in spec.maps]))
    refusals: list[Refusal] = []
    findings = [finding for map_spec in spec.maps for finding in _check_map(map_spec, kernel)]
    if spec.conditions and not btf:  # the types of another kernel lack its symbols
        try:
            spec = conditions.apply(spec)
        except BeepyError as error:
            findings.append(Finding(ERROR, str(error).removeprefix(f"{safe(spec.name)}: ")))
    try:
        operations = structops.plan(spec, btf)
    except BeepyError as error:
        operations = []
        refusals.append(Refusal("", error))
        findings.append(Finding(ERROR, str(error)))
    planned = plan(spec, {}, operations, refusals.append, kernel=btf)
    for program in spec.loaded:
        of_program = [refusal for refusal in refusals if refusal.program == program.name]
        findings += _not_loadable(spec, of_program)
        fixups_of_program = planned.fixups.get(program.name, ())
        findings += _check_program(program, kernel, of_program, fixups_of_program)
    if isinstance(kernel, BtfKernel):
        findings += _check_symbols(spec, kernel)
    else:
        findings += _check_by_loading(planned, refusals, findings)
    return CheckResult(kernel.name, tuple(dict.fromkeys(findings)), planned.fixups)


def fixups(spec: CollectionSpec, btf: Btf | None = None) -> dict[str, tuple[Fixup, ...]]:
    """Resolve the CO-RE relocations of each program. Raises RelocationError, NotSupported."""
    resolver = resolver_of(spec, btf)
    return {
        program.name: resolver.fixups(program)
        for program in spec.programs
        if resolver and program.core
    }


def _check_map(map_spec: MapSpec, kernel: Kernel) -> Iterator[Finding]:
    where = f"map '{safe(map_spec.name)}'"
    if map_spec.type not in set(MapType):
        yield Finding(ERROR, f"{where}: type {map_spec.type}: unknown")
    elif not kernel.has_map_type(map_type := MapType(map_spec.type)):
        first = since.map_type(map_type)
        yield Finding(ERROR, f"{where}: type {map_type.name.lower()}{_not_there(first)}")
    if map_spec.inner:
        yield from _check_map(map_spec.inner, kernel)


def _not_loadable(spec: CollectionSpec, refusals: Sequence[Refusal]) -> Iterator[Finding]:
    """Yield why a program cannot be loaded, except for its attach point."""
    for refusal in refusals:
        if not refusal.attaching:
            yield Finding(ERROR, str(refusal.error).removeprefix(f"{safe(spec.name)}: "))


def _check_program(
    program: ProgramSpec, kernel: Kernel, refusals: Sequence[Refusal], resolved: Sequence[Fixup]
) -> Iterator[Finding]:
    where = f"program '{safe(program.name)}'"
    hook = sections.find(program.section)
    if hook is None:
        return
    yield from _check_types(where, hook, kernel)
    target = Target(program.attach_to or sections.target(hook, program.section))
    not_found = [refusal.error for refusal in refusals if refusal.attaching]
    for error in not_found:
        yield _attach_point_not_found(where, hook, target, error, kernel)
    if not not_found:
        yield from _check_points(where, hook, target, kernel)
    for number, fixup in enumerate(resolved):
        if fixup.poison:
            reason = built_for(fixup) if isinstance(kernel, RunningKernel) else ""
            consequence = f"{reason}: {_IF_REACHED}" if reason else _IF_REACHED
            yield Finding(WARNING, f"{where}: relocation {number} ({fixup}): {consequence}")
    table_type = MapType.INSN_ARRAY
    has_tables = any(isinstance(ref, JumpTableRef) for ref in program.refs)
    if has_tables and not kernel.has_map_type(table_type):
        yield Finding(ERROR, f"{where}: jump tables{_not_there(since.map_type(table_type))}")
    for number in requirements.helpers(program.insns):
        if not kernel.has_helper(number):
            yield _helper_not_there(where, number)


def _check_types(where: str, hook: Hook, kernel: Kernel) -> Iterator[Finding]:
    prog_type, attach_type = hook.prog_type, hook.attach_type
    if not kernel.has_prog_type(prog_type):
        first = _not_there(since.prog_type(prog_type))
        text = f"program type {prog_type.name.lower()}{first}"
    elif hook.needs_attach_type and not kernel.has_attach_type(attach_type):
        first = _not_there(since.attach_type(attach_type))
        text = f"attach type {attach_type.name.lower()}{first}"
    else:
        return
    yield Finding(ERROR, f"{where}: {text}", skipped=True)


def _helper_not_there(where: str, number: int) -> Finding:
    name = HELPERS[number] if number < len(HELPERS) else f"{number}"
    if number in OLDER_HELPERS:
        older = HELPERS[OLDER_HELPERS[number]]
        return Finding(WARNING, f"{where}: helper {name}: {older} in its place")
    first = _not_there(since.helper(number))
    return Finding(WARNING, f"{where}: helper {name}{first}; {_IF_REACHED}")


def _not_there(release: str) -> str:
    return f": not there, since {release}" if release else ": not there"


def _attach_point_not_found(
    where: str, hook: Hook, target: Target, error: BeepyError, kernel: Kernel
) -> Finding:
    """Return the finding for a type or program to attach to that was not found."""
    text = str(error).removeprefix(f"{where}: ")
    kernel_type = hook.kernel_type(target.name)
    if kernel_type and target.name and isinstance(error, NotSupported):
        _, name, _ = kernel_type
        if error.feature == name:
            text = kernel.has_no(name)
    return Finding(ERROR, f"{where}: {text}", skipped=lacks(error))


def _check_points(where: str, hook: Hook, target: Target, kernel: Kernel) -> Iterator[Finding]:
    """Yield the first attach point of a program that the kernel lacks."""
    try:
        for point in hooks.points(hook, target, kernel.machine):
            if reason := kernel.lacks(point):
                yield Finding(ERROR, f"{where}: {reason}", skipped=True)
                return
    except KernelError as error:
        yield Finding(ERROR, f"{where}: {error}", skipped=lacks(error))


def _check_symbols(spec: CollectionSpec, kernel: BtfKernel) -> Iterator[Finding]:
    """Yield the symbols that the types of a kernel lack; types of its modules are not known."""
    used = {
        ref.name for program in spec.loaded for ref in program.refs if isinstance(ref, ExternRef)
    }
    for extern in spec.externs:
        if extern.section != KSYMS or extern.weak or extern.name not in used:
            continue
        if extern.function:
            name, kind, level = essential_name(extern.name), Kind.FUNC, ERROR
        else:
            name, kind, level = extern.name, Kind.VAR, WARNING  # BTF has few variables
        if not kernel.has_type(name, kind):
            symbol = f"kernel symbol '{safe(extern.name)}'"
            first = since.kfunc(name)
            release = f"; since {first}" if first else ""
            yield Finding(level, f"{symbol}: not among its types, unless a module has it{release}")


def _check_by_loading(
    planned: Plan, refusals: Sequence[Refusal], findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Load a plan into the running kernel; yield its refusals that are not among ``findings`` yet.

    A plan with refusals that --missing skip does not skip is not loaded.
    """
    if not all(refusal.attaching and lacks(refusal.error) for refusal in refusals):
        return
    skipped = SkippedPrograms("note")
    for refusal in refusals:
        skipped.skip(refusal.program, refusal.error)
    texts = [finding.text for finding in findings if finding.level == ERROR]
    try:
        with load_planned(planned, skipped):
            for name, reason in skipped.reasons.items():
                if not any(text.startswith(f"program '{safe(name)}': ") for text in texts):
                    yield Finding(ERROR, reason, skipped=True)
    except BeepyError as error:
        if str(error).removeprefix(f"{safe(planned.spec.name)}: ") not in texts:
            yield Finding(ERROR, str(error))
