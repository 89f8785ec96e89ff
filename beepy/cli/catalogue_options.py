"""The options of ``run`` that the catalogue's form has boxes for, besides an image's own."""

from collections.abc import Callable, Sequence
from pathlib import Path

from beepy import sections, selecting
from beepy.arguments import MAX_PID
from beepy.cli.option_values import whole_number
from beepy.collection import targets
from beepy.errors import BeepyError, typed
from beepy.hooks import Target, binary
from beepy.obj.spec import CollectionSpec
from beepy.rewrite.select import Selection
from beepy.tui import catalogue_boxes
from beepy.tui.catalogue_items import Box, Kind


def attach(specs: Sequence[CollectionSpec]) -> list[Box]:
    """Return the boxes for where to attach, of the options that programs of the image use.

    The interface is required where a section names none.
    """
    names_of: dict[str, list[str]] = {}
    for program in [program for spec in specs for program in spec.loaded]:
        if hook := sections.find(program.section):
            target = program.attach_to or sections.target(hook, program.section)
            for option in hook.options:
                names_of.setdefault(option, []).append(target)
    boxes = []
    if names := names_of.get("iface"):
        interfaces = _interfaces()
        text = "the network interface"
        box = Box("--iface", kind=Kind.CHOICE, choices=interfaces, help=text)
        boxes.append(box._replace(required=not all(names)))
    if names := names_of.get("binary"):
        text = "the program or library to probe: bash, libc.so.6, /usr/bin/node"
        default = names[0].split(":")[0]
        boxes.append(Box("--binary", default=default, help=text, check=_binary_error))
    return boxes


def shown(specs: Sequence[CollectionSpec]) -> list[Box]:
    """Return the boxes for whose events are shown, and which."""
    return [
        catalogue_boxes.where(specs),
        _selecting(
            specs,
            Selection(pids=(1,)),
            Box("--pid", help="only this process", check=_pid_error),
        ),
        _selecting(
            specs,
            Selection(names=(b"x",)),
            Box("--comm", help="only processes of this name", check=_comm_error),
        ),
    ]


def _selecting(specs: Sequence[CollectionSpec], selection: Selection, box: Box) -> Box:
    """Return the box, closed if the image's programs cannot select so."""
    try:
        common = selecting.common_target(specs, Target(), selection)
        selecting.apply(specs, targets.choose(specs, {}, common), selection)
    except BeepyError as error:
        why = typed(error).removeprefix(f"{box.option}: ")
        return box._replace(kind=Kind.CLOSED, help=why)
    return box


def _interfaces() -> list[str]:
    import socket  # noqa: PLC0415 - only what attaches to an interface needs it

    return [name for _, name in socket.if_nameindex()]


def _binary_error(text: str) -> str:
    try:
        path = binary.find(text, None, "")
    except BeepyError as error:
        return typed(error).removeprefix(": ")
    return "" if Path(path).is_file() else "no such file"


def _pid_error(text: str) -> str:
    return _error(whole_number("--pid", 1, MAX_PID), text)


def _comm_error(text: str) -> str:
    return _error(lambda name: selecting.resolve(selecting.Subjects(comms=(name,))), text)


def _error(parse: Callable[[str], object], text: str) -> str:
    """Return why an option does not take a text, "" if it does."""
    try:
        parse(text)
    except BeepyError as error:
        _, _, why = typed(error).rpartition("': ")
        return why
    return ""
