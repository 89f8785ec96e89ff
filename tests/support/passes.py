"""What the kernel says of programs as they are, and of the same programs rewritten by each pass."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from unittest.mock import patch

from beepy import sections, subjects
from beepy.btf.types import TypeId
from beepy.collection.forms import Forms
from beepy.collection.load import load
from beepy.collection.plan import Planned
from beepy.errors import BeepyError, KernelError
from beepy.host.machine import release
from beepy.obj.spec import CollectionSpec, DataRef, MapRef, ProgramSpec, Tracked
from beepy.rewrite import losses, select
from beepy.rewrite.prologue import Ancestor
from beepy.rewrite.select import Selection
from beepy.uapi import MapType
from tests.support.verdicts import alone, reason

LOSSES: Final = "losses"
SELECTIONS: Final[Mapping[str, Selection]] = {
    "pid": Selection(pids=(1,)),
    "pids": Selection(pids=(1, 2)),
    "uid": Selection(uids=(0,)),
    "uids": Selection(uids=(0, 1)),
    "comm": Selection(names=(b"init",)),
    "comms": Selection(names=(b"init", b"x" * 15)),
    "cgroup": Selection(cgroups=("/",), ancestors=(Ancestor(0, 1),)),
    "all kinds": Selection(
        *((1, 2), (0, 1), (b"init", b"sh"), ("/", "/a")), (Ancestor(0, 1), Ancestor(1, 2))
    ),
}
COUNTED, EQUALITY, ORIGINAL = "counted", "counted by equality", "not counted"
PLAIN: Final = "as they are"
LOADED, REFUSED = "loaded", "refused"
_OPERATIONS: Final = MapType.STRUCT_OPS

_ANCESTOR: Final = "helper get_current_ancestor_cgroup_id"
_ANCESTORS: Final = (6, 1, 0)  # for tracing programs at the latest: 5.10 refuses it


class Outcome(NamedTuple):
    """What became of a program that loads as it is; ``why`` it is not as it was wished."""

    program: str
    by: str
    outcome: str
    why: str = ""


class Outcomes:
    """The outcomes of many objects, for a table."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self.unloadable: list[str] = []
        self.named: Counter[str] = Counter()

    def add(self, spec: CollectionSpec) -> None:
        """Load the object's programs as they are, and rewritten by each pass."""
        for outcome in outcomes(spec):
            self.counts[outcome.by, outcome.outcome] += 1
            if outcome.by == PLAIN and outcome.why:
                self.unloadable.append(outcome.why)
            elif outcome.why:
                name = expected(outcome)
                self.named[f"{outcome.by}: {name}"] += bool(name)
                if not name:
                    self.wrong.append(f"{spec.name}: {' '.join(outcome)}")

    def __str__(self) -> str:
        parts = []
        for by in (PLAIN, LOSSES, *SELECTIONS):
            counts = [f"{n} {what}" for (of, what), n in sorted(self.counts.items()) if of == by]
            parts.append(f"{by}: {', '.join(counts) or 'none'}")
        named = [f"{name} ({count})" for name, count in sorted(self.named.items()) if count]
        return "; ".join([*parts, *named])


def expected(outcome: Outcome) -> str:
    """Return the name of a refusal that is known, "" for another one."""
    if _ANCESTOR in outcome.why and release() < _ANCESTORS:
        return f"no {_ANCESTOR} for sleepable programs"
    return ""


def outcomes(spec: CollectionSpec) -> Iterator[Outcome]:
    """Yield what becomes of each program that is loaded by default."""
    refusals = _refusals(spec)
    for name, why in refusals.items():
        yield Outcome(name, PLAIN, REFUSED if why else LOADED, why)
    loaded = [program for program in spec.programs if refusals.get(program.name) == ""]
    yield from _with_losses(spec, loaded)
    skippable = [program.name for program in loaded if _is_skippable(program)]
    for by, selection in SELECTIONS.items() if skippable else ():
        try:
            selected = select.apply(spec, selection, skippable)
        except BeepyError as error:
            yield from [Outcome(name, by, REFUSED, str(error)) for name in skippable]
            continue
        programs = tuple([one for one in selected.programs if one.name in skippable])
        for name, why in _refusals(selected._replace(programs=programs)).items():
            yield Outcome(name, by, REFUSED if why else LOADED, why)


def with_all_maps_shown(spec: CollectionSpec) -> CollectionSpec:
    """Return the object as if each of its maps were shown."""
    streams = (MapType.RINGBUF, MapType.PERF_EVENT_ARRAY)
    shown = [
        Tracked(map_spec.name, None, TypeId(map_spec.type in streams))
        for map_spec in spec.maps
        if map_spec.contents is None and map_spec.type != MapType.STRUCT_OPS
    ]
    return spec._replace(tracked=tuple(shown))


def _refusals(spec: CollectionSpec) -> dict[str, str]:
    """Return why each program is refused, "" if it loads: together, else each alone."""
    try:
        with load(spec) as collection:
            return dict.fromkeys(collection.programs, "")
    except BeepyError:
        return {program.name: _refusal(spec, program) for program in spec.loaded}


def _refusal(spec: CollectionSpec, program: ProgramSpec) -> str:
    try:
        with load(_with_its_maps(spec, program)):
            return ""
    except BeepyError as error:
        return reason(error)


def _with_losses(spec: CollectionSpec, programs: Sequence[ProgramSpec]) -> Iterator[Outcome]:
    shown = with_all_maps_shown(spec)
    counted = losses.count(shown)
    for program in programs:
        if any(site.program == program.name for site in counted.sites):
            yield _counted(_with_its_maps(shown, program))


def _counted(spec: CollectionSpec) -> Outcome:
    """Load an object of one program with counting code: which form is accepted."""
    (program,) = spec.programs
    forms: list[str] = []
    accept = Forms.accept

    def noted(self: Forms, planned: Planned, refused: KernelError | None) -> None:
        forms.append(EQUALITY if refused and losses.counts(planned.spec) else COUNTED)
        accept(self, planned, refused)

    try:
        with patch.object(Forms, "accept", noted), load(spec, count_losses=True) as collection:
            assert collection.forms
            if why := collection.forms.uncounted.get(program.name):
                return Outcome(program.name, LOSSES, ORIGINAL, why)
            return Outcome(program.name, LOSSES, *forms)
    except BeepyError as error:
        return Outcome(program.name, LOSSES, REFUSED, reason(error))


def _with_its_maps(spec: CollectionSpec, program: ProgramSpec) -> CollectionSpec:
    """Return an object of one program, without maps that it does not use: kernels lack types."""
    used = {ref.map for ref in program.refs if isinstance(ref, MapRef | DataRef)}
    kept = [
        map_spec
        for map_spec in spec.maps
        if map_spec.name in used or map_spec.contents is not None or map_spec.type == _OPERATIONS
    ]
    return alone(spec._replace(maps=tuple(kept)), program)


def _is_skippable(program: ProgramSpec) -> bool:
    hook = sections.find(program.section)
    return hook is not None and subjects.is_skippable(hook)
