"""The options of ``run`` that say whose events are shown."""

import pwd
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from beepy.arguments import MAX_PID, MAX_UID
from beepy.cli import panels
from beepy.cli.option_values import whole_number
from beepy.errors import UsageError
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.selecting import Subjects  # most runs show everybody's events

Pids: TypeAlias = Annotated[
    list[int] | None,
    typer.Option(
        "--pid",
        metavar="PID",
        parser=whole_number("--pid", 1, MAX_PID),
        help="Only this process; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]
Comms: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--comm",
        metavar="NAME",
        help="Only processes that call themselves so; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]
Uids: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--uid",
        metavar="USER",
        help="Only processes of this user, a number or a name; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]
Cgroups: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--cgroup",
        metavar="DIR",
        help="Only processes in this control group; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]
Containers: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--container",
        metavar="NAME|ID",
        help="Only this container; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]
Pods: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--pod",
        metavar="[NS/]NAME|UID",
        help="Only this pod of Kubernetes; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]
Units: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        metavar="NAME.service",
        help="Only this unit of systemd; repeat.",
        rich_help_panel=panels.WHOSE,
    ),
]


def subjects(
    pids: Sequence[int] | None,
    comms: Sequence[str] | None,
    uids: Sequence[str] | None,
    cgroups: Sequence[str] | None,
    *,
    containers: Sequence[str] | None,
    pods: Sequence[str] | None,
    units: Sequence[str] | None,
) -> "Subjects | None":
    """Return whose events are shown, None for everybody's. Raises UsageError."""
    if not (pids or comms or uids or cgroups or containers or pods or units):
        return None
    from beepy.selecting import Subjects  # noqa: PLC0415 - most runs show everybody's events

    return Subjects(
        pids=tuple(pids or ()),
        uids=tuple(map(_uid, uids or ())),
        comms=tuple(comms or ()),
        cgroups=tuple(cgroups or ()),
        containers=tuple(containers or ()),
        pods=tuple(pods or ()),
        units=tuple(units or ()),
    )


def _uid(text: str) -> int:
    if text.isdecimal() and text.isascii():
        if int(text) <= MAX_UID:
            return int(text)
        raise UsageError(f"--uid '{safe(text)}': expected a number up to {MAX_UID}, or a name")
    try:
        return pwd.getpwnam(text).pw_uid
    except (KeyError, ValueError):
        raise UsageError(f"--uid '{safe(text)}': no user of that name") from None
