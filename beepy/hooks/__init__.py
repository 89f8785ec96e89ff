"""Attach programs: one module for each mechanism, imported at its first use.

A module has ``attach(program, target)``; ``points(target, machine)`` if it knows what a kernel must
have for that; ``reader(program, target, spec)`` if its programs write output; ``KIND`` and
``cleanup(*args)`` if it adds entries of that kind to the journal.
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
    """Attach a program by the mechanism of its section. Raises AttachError, NotSupported."""
    hook = sections.find(program.section)
    assert hook  # the program was loaded by this row
    assert hook.mechanism  # the caller attaches struct_ops by their maps
    link: Link = _module(hook.mechanism).attach(program, target)
    return link


def points(hook: Hook, target: Target, machine: str) -> Sequence[Point]:
    """Return what a kernel must have to attach a program, () if nothing can be looked up.

    ``machine`` is the kernel's architecture as uname(2) has it, "" if it is not known. The types
    that programs attach to are not included: ``collection.attachpoint`` looks them up. Raises
    AttachError if the target is malformed.
    """
    function = getattr(_module(hook.mechanism), "points", None) if hook.mechanism else None
    required: Sequence[Point] = function(target, machine) if function else ()
    return required


def reader(program: Program, target: Target, spec: CollectionSpec) -> Reader | None:
    """Return a reader of the output of a program of ``spec``, None if it writes none.

    There is one reader for all programs of an iterator that writes structs. The caller closes the
    reader.
    """
    if program.name in spec.iterator_records:
        from beepy.hooks import struct_iterator  # noqa: PLC0415 - few images have any

        return struct_iterator.reader(program, target, spec)
    hook = sections.find(program.section)
    mechanism = hook.mechanism if hook else None
    function = getattr(_module(mechanism), "reader", None) if mechanism else None
    output: Reader | None = function(program, target, spec) if function else None
    return output


def sweep() -> None:
    """Remove the attachments that killed processes left; called before programs are attached."""
    journal.sweep(_cleanup_for)


def _cleanup_for(kind: str) -> Callable[..., None] | None:
    """Return the function that cleans up after journal entries of a kind, None if unknown."""
    from beepy.hooks import trace_instance  # noqa: PLC0415 - only if a killed process left something

    for module in (trace_instance, *map(_module, Mechanism)):
        if getattr(module, "KIND", None) == kind:
            cleanup: Callable[..., None] = module.cleanup
            return cleanup
    return None


def describe_target(section: str, target: Target) -> str:
    """Return the attach point of a program for messages: the section or --attach, and options."""
    hook = sections.find(section)
    if hook is None:
        return section
    overridden = target.name != sections.target(hook, section)
    prefix = hook.section.rstrip("+")
    text = f"{prefix}/{target.name}" if target.name else prefix
    text = text if overridden else section
    values = [(option, getattr(target, option)) for option in hook.options]
    options = ", ".join(
        [f"{option} {value}" for option, value in values if value not in (None, "")]
    )
    return f"{text} ({options})" if options else text
