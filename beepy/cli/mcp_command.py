"""``beepy mcp``."""

from pathlib import Path
from typing import Annotated, Final

import typer

import beepy
from beepy.cli.option_values import seconds, whole_number
from beepy.cli.settings import Settings
from beepy.cli.stdio import eprint
from beepy.errors import UsageError

_INSTALL: Final = "python3 -m pip install 'beepy-ebpf[mcp]'"


def mcp(
    *,
    settings: Settings,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="IMAGE",
            help="Run this image too, though it changes something; repeat.",
        ),
    ] = None,
    recordings: Annotated[
        Path | None,
        typer.Option("--recordings", metavar="DIR", help="Directory of the recordings for replay."),
    ] = None,
    max_timeout: Annotated[
        str, typer.Option("--max-timeout", metavar="TIME", help="The longest run.")
    ] = "60s",
    max_count: Annotated[
        int,
        typer.Option(
            "--max-count",
            metavar="N",
            parser=whole_number("--max-count", 1),
            help="The most rows of a call.",
        ),
    ] = 10_000,
) -> None:
    """Serve tools for agents (Model Context Protocol) on stdio."""
    try:
        from beepy.mcp import server  # noqa: PLC0415 - an extra of the package
        from beepy.mcp.schemas import MIN_TIMEOUT, Limits  # noqa: PLC0415
        from beepy.mcp.tools import Permissions, Tools  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        lacking = UsageError(f"mcp: the package {package} is not installed")
        lacking.add_note(_INSTALL)
        raise lacking from None
    if recordings is not None and not recordings.is_dir():
        raise UsageError(f"--recordings '{recordings}': no such directory")
    longest = seconds("--max-timeout", max_timeout)
    if longest < MIN_TIMEOUT:
        raise UsageError(f"--max-timeout '{max_timeout}': expected at least {MIN_TIMEOUT}s")
    permissions = Permissions(
        options=settings.registry_options(),
        limits=Limits(longest, max_count),
        allowed=tuple(allow or ()),
        recordings=recordings,
    )
    server.serve(Tools(permissions), beepy.__version__, lambda line: eprint(f"mcp: {line}"))
