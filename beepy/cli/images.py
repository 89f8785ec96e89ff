"""``beepy list`` and ``beepy version``."""

from typing import Annotated, Literal

import typer

import beepy
from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.width import columns_of_terminal


def list_images(
    *,
    settings: Settings,
    output: Annotated[
        Literal["text", "wide", "json"],
        typer.Option("--output", "-o", help="Output format; wide: all columns, uncut."),
    ] = "text",
) -> None:
    """List local and bundled images."""
    from beepy.oci import lookup  # noqa: PLC0415

    entries = lookup.list_images(settings.registry_options())
    if output == "json":
        import json  # noqa: PLC0415

        rows = [{**entry._asdict(), "bundled": bundled} for entry, bundled in entries]
        stdio.write(json.dumps(rows, indent=2) + "\n")
        return
    from beepy.cli import listing  # noqa: PLC0415

    width = columns_of_terminal(stdio.STDOUT) if output == "text" else None
    lines, hidden = listing.table(entries, width)
    stdio.write("".join([f"{line}\n" for line in lines]))
    if hidden:
        stdio.eprint(f"note: beepy list -o wide shows {', '.join(hidden)} too")


def version(*, settings: Settings) -> None:
    """Show beepy's version."""
    del settings
    stdio.write(f"{beepy.__version__}\n")
