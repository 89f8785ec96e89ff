"""bpfman's convention: labels give the types of programs, the user says where they attach.

A section's target is a mere name in its sources (``tracepoint/kill_recorder``), which bpfman does
not read, but for functions that fentry and fexit need at load. What maps mean is not said.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from beepy import sections
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, NotShown, ProgramSpec, Tracked
from beepy.oci.formats.bpfman import PROGRAMS
from beepy.sections import Hook, Mechanism
from beepy.text import excerpt, safe

_log = Log(__name__)

_SECTIONS: Final[Mapping[str, str]] = {
    "xdp": "xdp",
    "tc": "tc",
    "tcx": "tcx/ingress",
    "tracepoint": "tracepoint",
    "kprobe": "kprobe",
    "kretprobe": "kretprobe",
    "uprobe": "uprobe",
    "uretprobe": "uretprobe",
    "fentry": "fentry",
    "fexit": "fexit",
}
"""Label's type -> the section of such programs."""


def adapt(spec: CollectionSpec, hints: Mapping[str, bytes]) -> CollectionSpec:
    """Return the object with the sections that the labels' types say.

    Programs that no label names are not loaded by default. Without labels the sections stay.
    """
    types: Mapping[str, str] = json.loads(hints.get(PROGRAMS, b"{}"))
    names = {program.name for program in spec.programs}
    where = safe(spec.name)
    unsupported = [
        *[f"label {PROGRAMS}: no program '{excerpt(name)}'" for name in types if name not in names],
        *[
            f"program '{excerpt(name)}': label's type '{excerpt(kind)}': its section is taken"
            for name, kind in types.items()
            if name in names and kind not in _SECTIONS
        ],
    ]
    spec = spec._replace(unsupported=tuple(unsupported))
    if not names & set(types):
        return spec
    called = {name for map_spec in spec.maps for _, name in map_spec.slots}
    programs = []
    for program in spec.programs:
        if program.name in types:
            section = _section(program, types[program.name])
        elif program.name in called or not program.autoload:
            section = program.section
        else:
            section = f"?{program.section}"
            _log.info("%s: program '%s': not loaded: no label", where, safe(program.name))
        programs.append(program._replace(section=section))
    return spec._replace(programs=tuple(programs))


def tracked(spec: CollectionSpec, hints: Mapping[str, bytes]) -> Iterator[Tracked | NotShown]:
    """Yield what the automatic convention decides."""
    from beepy.conventions import auto  # noqa: PLC0415 - images of bee need none of it

    return auto.tracked(spec, hints)


def _section(program: ProgramSpec, kind: str) -> str:
    """Return the section of a program with a label's type."""
    if kind not in _SECTIONS:
        return program.section
    own, labeled = sections.exact(program.section), sections.exact(_SECTIONS[kind])
    assert labeled
    if own is None or not _is_same(own, labeled):
        return _SECTIONS[kind]
    if own.mechanism is Mechanism.TRAMPOLINE or not own.section.endswith("+"):
        return program.section.removeprefix("?")
    if sections.target(own, program.section):
        name, section = safe(program.name), safe(program.section)
        _log.info("program '%s': section '%s': its target is only a name", name, section)
    return own.section.removesuffix("+")


def _is_same(own: Hook, labeled: Hook) -> bool:
    """Tell whether a section's programs are of a label's type, perhaps in another variety."""
    if (own.mechanism, own.returns) != (labeled.mechanism, labeled.returns):
        return False
    return own.mechanism is not Mechanism.TRAMPOLINE or own.attach_type == labeled.attach_type
