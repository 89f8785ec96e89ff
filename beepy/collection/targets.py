"""Where programs attach: what their sections say, overruled by what the user says."""

import re
from collections.abc import Mapping, Sequence

from beepy import hooks
from beepy.errors import UsageError, worded
from beepy.hooks import Target
from beepy.obj.spec import CollectionSpec
from beepy.text import safe


def parse(texts: Sequence[str]) -> dict[str, str]:
    """Split each ``PROGRAM=TARGET`` of --attach. Raises UsageError."""
    found = {}
    for text in texts:
        program, equals, target = text.partition("=")
        if not (program and equals and target):
            raise UsageError(f"--attach '{safe(text)}': expected PROGRAM=TARGET")
        if program in found:
            raise UsageError(f"--attach '{safe(text)}': a second target for program '{safe(program)}'")
        found[program] = target
    return found


def choose(specs: Sequence[CollectionSpec], attach: Mapping[str, str], common: Target) -> list[dict[str, Target]]:
    """Return for each of ``specs`` the target of each program.

    It is ``common``, whose name is that of ``attach``, else of the program's section. Raises UsageError for a program
    that none of them has, for a field of ``common`` that none of them reads, and for two XDP programs on one interface;
    UnsupportedSection where such a field may be meant for a program of unknown section.
    """
    _expect_takers(specs, common)
    known = {program.name for spec in specs for program in spec.programs}
    for name in attach:
        if name not in known:
            listed = ", ".join(safe(program) for program in sorted(known)) or "none"
            raise UsageError(worded(f"--attach: program '{safe(name)}': there is only {listed}"))
    chosen = [
        {
            program.name: common._replace(name=attach.get(program.name) or _name(program.section))
            for program in spec.programs
        }
        for spec in specs
    ]
    _expect_one_xdp(specs, chosen)
    return chosen


def pid_note(specs: Sequence[CollectionSpec], pid: int) -> str:
    """Return the command that shows one process alone by a variable of the images, "" if they have none."""
    import shlex  # noqa: PLC0415 - only on the way to an error

    from beepy.obj import variables  # noqa: PLC0415

    name = variables.pid_variable(specs)
    images = " ".join(dict.fromkeys([shlex.quote(safe(spec.name)) for spec in specs]))
    return f"beepy run {images} --set {safe(name)}={pid}" if name else ""


def _expect_takers(specs: Sequence[CollectionSpec], common: Target) -> None:
    found = [hooks.find(program.section) for spec in specs for program in spec.programs]
    modules = {hook.module for hook in found if hook}
    for field in dict.fromkeys(field for fields in hooks.TAKES.values() for field in fields):
        takers = [module for module, fields in hooks.TAKES.items() if field in fields]
        if getattr(common, field) not in (None, "") and modules.isdisjoint(takers):
            for spec in specs:
                for program in spec.loaded:
                    if not hooks.find(program.section):
                        from beepy.collection.unknown_section import unknown_section  # noqa: PLC0415 - only on the way to an error

                        raise unknown_section(spec, program)
            images = ", ".join([safe(spec.name) for spec in specs])
            error = UsageError(worded(f"--{field}: {images}: no program takes it"))
            if common.pid and field == "pid" and (note := pid_note(specs, common.pid)):
                error.add_note(note)
                raise error
            rows = [hook for hook in hooks.TABLE if hook.module in takers]
            kinds = dict.fromkeys(re.split(r"[/.+]", hook.section)[0] for hook in rows)
            error.add_note(f"it is for sections {', '.join(kinds)}")
            raise error


def _expect_one_xdp(specs: Sequence[CollectionSpec], chosen: Sequence[Mapping[str, Target]]) -> None:
    taken: dict[str, tuple[CollectionSpec, str]] = {}
    for spec, targets in zip(specs, chosen, strict=True):
        for program in spec.loaded:
            hook = hooks.find(program.section)
            name = targets[program.name].name or targets[program.name].iface
            if not hook or hook.module != "xdp" or not name:
                continue
            other, first = taken.setdefault(name, (spec, program.name))
            if (other, first) != (spec, program.name):
                pair = f"programs '{safe(first)}' and '{safe(program.name)}'"
                error = UsageError(f"{pair}: xdp {safe(name)}: an interface takes one XDP program")
                alone = f"--prog {safe(first)} runs that one alone; " if other is spec else ""
                error.add_note(f"{alone}--attach {safe(program.name)}=NAME puts it on another interface")
                raise error


def _name(section: str) -> str:
    hook = hooks.find(section)
    return hooks.target(hook, section) if hook else ""
