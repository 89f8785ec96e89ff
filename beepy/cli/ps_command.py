"""``beepy ps``."""

from typing import Annotated, Literal

import typer

from beepy.cli import stdio
from beepy.cli.option_values import seconds
from beepy.cli.settings import Settings
from beepy.errors import KernelError
from beepy.width import columns_of_terminal


def ps(
    *,
    settings: Settings,
    output: Annotated[
        Literal["text", "wide", "json"],
        typer.Option("--output", "-o", help="Output format; wide: maps and links too, uncut."),
    ] = "text",
    interval: Annotated[
        str, typer.Option("--interval", metavar="TIME", help="How long runs are counted.")
    ] = "1s",
) -> None:
    """List the BPF programs of this machine, and what they cost."""
    del settings
    interval_s = seconds("--interval", interval)
    from beepy.ps.snapshot import machine  # noqa: PLC0415 - --help needs no kernel

    try:
        snapshot = machine(interval_s)
    except KernelError as error:
        if "CAP_" in str(error):
            from beepy.cli import sudo  # noqa: PLC0415 - only on the way to an error

            error.add_note(f"run it as root: sudo {sudo.command_line('')}")
        raise
    if output == "json":
        import json  # noqa: PLC0415 - only here

        kinds = {
            kind: [value._asdict() for value in values]
            for kind, values in snapshot._asdict().items()
            if isinstance(values, tuple)
        }
        stdio.write(json.dumps({**snapshot._asdict(), **kinds}, indent=2) + "\n")
        return
    from beepy.cli import ps_listing  # noqa: PLC0415 - only here

    width = columns_of_terminal(stdio.STDOUT)
    is_wide = output == "wide"
    lines = ps_listing.wide(snapshot) if is_wide else ps_listing.programs(snapshot, width)
    stdio.write("".join([f"{line}\n" for line in lines]))
    for note in ps_listing.notes(snapshot, wide=is_wide):
        stdio.eprint(f"note: {note}")
