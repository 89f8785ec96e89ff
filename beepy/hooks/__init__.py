"""Attach programs: one module a mechanism, imported at its first use.

A module has ``attach(program, target)``; ``points(target, machine)`` where it knows what a kernel must have for that;
``reader(program, target, spec)`` where programs write what is shown; ``KIND`` and ``undo(*words)`` where it writes
entries of that kind to the journal.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

from beepy import sections
from beepy.events.batch import Reader
from beepy.hooks import journal
from beepy.hooks.target import Point, Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.obj.spec import CollectionSpec
from beepy.sections import Hook, Mechanism

__all__ = ["Point", "Target", "attach", "describe_target", "points", "reader", "sweep"]


def _module(mechanism: Mechanism) -> ModuleType:
    return import_module(f"beepy.hooks.{mechanism.module}")


def attach(program: Program, target: Target) -> Link:
    """Attach a program as its section says. Raises AttachError, NotSupported."""
    hook = sections.find(program.section)
    assert hook  # it was loaded by it
    assert hook.mechanism  # but for what a map of operations attaches
    link: Link = _module(hook.mechanism).attach(program, target)
    return link


def points(hook: Hook, target: Target, machine: str) -> Sequence[Point]:
    """Return what a kernel must have that a program can be attached, () if nothing can be looked up.

    ``machine`` is the kernel's architecture as uname(2) has it, "" if it is not known. Types that programs attach to
    are not among them: ``collection.attachpoint`` looks these up. Raises AttachError for a target of another form.
    """
    find = getattr(_module(hook.mechanism), "points", None) if hook.mechanism else None
    found: Sequence[Point] = find(target, machine) if find else ()
    return found


def reader(program: Program, target: Target, spec: CollectionSpec) -> Reader | None:
    """Return what reads the output of a program of ``spec``, None if it has none; the caller closes it."""
    hook = sections.find(program.section)
    make = getattr(_module(hook.mechanism), "reader", None) if hook and hook.mechanism else None
    made: Reader | None = make(program, target, spec) if make else None
    return made


def sweep() -> None:
    """Undo what killed processes left behind; every attaching begins with it."""
    journal.sweep(_undo)


def _undo(kind: str) -> Callable[..., None] | None:
    """Return the function that undoes journal entries of a kind, None if there is none."""
    for mechanism in Mechanism:
        module = _module(mechanism)
        if getattr(module, "KIND", None) == kind:
            undo: Callable[..., None] = module.undo
            return undo
    return None


def describe_target(section: str, target: Target) -> str:
    """Return where a program of ``section`` is attached, for messages: the section or its overruling, and options."""
    hook = sections.find(section)
    if hook is None:
        return section
    overruled = target.name != sections.target(hook, section)
    text = f"{hook.section.rstrip('+')}/{target.name}" if overruled else section
    values = [(option, getattr(target, option)) for option in hook.options]
    shown = ", ".join([f"{option} {value}" for option, value in values if value not in (None, "")])
    return f"{text} ({shown})" if shown else text
