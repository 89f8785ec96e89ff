"""Choose where programs attach: by their sections, overridden by options of the user."""

import re
from collections.abc import Mapping, Sequence

from beepy import sections
from beepy.errors import BeepyError, UsageError, worded
from beepy.hooks import Target
from beepy.obj.spec import CollectionSpec
from beepy.sections import Mechanism
from beepy.text import safe


def parse(texts: Sequence[str]) -> dict[str, str]:
    """Split each ``PROGRAM=TARGET`` of --attach. Raises UsageError."""
    targets: dict[str, str] = {}
    for text in texts:
        program, equals, target = text.partition("=")
        if not (program and equals and target):
            raise UsageError(f"--attach '{safe(text)}': expected PROGRAM=TARGET")
        if program in targets:
            raise UsageError(
                f"--attach '{safe(text)}': a second target for program '{safe(program)}'"
            )
        targets[program] = target
    return targets


def choose(
    specs: Sequence[CollectionSpec], attach: Mapping[str, str], common: Target
) -> list[dict[str, Target]]:
    """Return the target of each program, for each of ``specs``.

    A target is ``common`` with the name from ``attach``, else from the program's section; the
    interface of ``common`` overrides that of a section. Raises
    UsageError if ``attach`` names a program that does not exist, if no program uses a field of
    ``common``, and for two XDP programs on one interface. Raises UnsupportedSection if such a field
    may be meant for a program with an unknown section.
    """
    _expect_used(specs, common)
    known = {program.name for spec in specs for program in spec.programs}
    for name in attach:
        if name not in known:
            listed = ", ".join(safe(program) for program in sorted(known)) or "none"
            raise UsageError(worded(f"--attach: program '{safe(name)}': known programs: {listed}"))
    chosen = [
        {
            program.name: common._replace(
                name=attach.get(program.name)
                or program.attach_to
                or _section_target(program.section, common)
            )
            for program in spec.programs
        }
        for spec in specs
    ]
    _expect_one_xdp(specs, chosen)
    return chosen


def _expect_used(specs: Sequence[CollectionSpec], common: Target) -> None:
    """Raise the error of the first option that is given and that no program uses."""
    hooks = [sections.find(program.section) for spec in specs for program in spec.programs]
    used = {option for hook in hooks if hook for option in hook.options}
    for option in sections.OPTIONS:
        if getattr(common, option) not in (None, "") and option not in used:
            raise _unused(specs, option)


def _unused(specs: Sequence[CollectionSpec], option: str) -> BeepyError:
    """Return the error for an option that no program uses."""
    for spec in specs:
        for program in spec.loaded:
            if not sections.find(program.section):
                from beepy.collection.unknown_section import (  # noqa: PLC0415 - only on the way to an error
                    unknown_section,
                )

                return unknown_section(spec, program)
    images = ", ".join([safe(spec.name) for spec in specs])
    error = UsageError(worded(f"--{option}: {images}: not used by any program"))
    rows = [hook for hook in sections.TABLE if option in hook.options]
    prefixes = dict.fromkeys(re.split(r"[/.+]", hook.section)[0] for hook in rows)
    error.add_note(f"it is for sections {', '.join(prefixes)}")
    return error


def _expect_one_xdp(
    specs: Sequence[CollectionSpec], chosen: Sequence[Mapping[str, Target]]
) -> None:
    """Raise UsageError if two XDP programs attach to one interface."""
    owners: dict[str, tuple[CollectionSpec, str]] = {}
    for spec, targets in zip(specs, chosen, strict=True):
        for program in spec.loaded:
            hook = sections.find(program.section)
            name = targets[program.name].name or targets[program.name].iface
            if not hook or hook.mechanism is not Mechanism.XDP or not name:
                continue
            other, first = owners.setdefault(name, (spec, program.name))
            if (other, first) != (spec, program.name):
                pair = f"programs '{safe(first)}' and '{safe(program.name)}'"
                error = UsageError(f"{pair}: xdp {safe(name)}: an interface takes one XDP program")
                advice = f"--attach {safe(program.name)}=NAME puts it on another interface"
                if other is spec:
                    advice = f"--prog {safe(first)} runs only that program; {advice}"
                error.add_note(advice)
                raise error


def _section_target(section: str, common: Target) -> str:
    hook = sections.find(section)
    if hook is None or (common.iface and hook.mechanism is Mechanism.XDP):
        return ""
    return sections.target(hook, section)
