"""Commands about images: ``pull``, ``list``; and ``version``."""

from typing import Annotated, Literal

import typer

import beepy
from beepy.cli import standard
from beepy.cli.settings import Settings
from beepy.oci.descriptor import quote
from beepy.oci.store import Entry
from beepy.text import safe


def pull(
    *, settings: Settings, image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image reference.")]
) -> None:
    """Fetch an image from its registry into the local store, verified."""
    from beepy.oci import lookup  # noqa: PLC0415 - not for --help

    pulled = lookup.pull(image, settings.options()._replace(pull="always"))
    standard.write(f"{safe(image)} {pulled.digest}\n")


def list_images(
    *,
    settings: Settings,
    output: Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="How to print.")] = "text",
) -> None:
    """List the images of the local stores, and the bundled ones."""
    from beepy.oci import lookup  # noqa: PLC0415

    entries = lookup.listed(settings.options())
    if output == "json":
        import json  # noqa: PLC0415

        rows = [{**entry._asdict(), "bundled": bundled} for entry, bundled in entries]
        standard.write(json.dumps(rows, indent=2) + "\n")
        return
    table = [("NAME", "DIGEST", "SIZE", "CREATED", "PLATFORM", "BUNDLED")]
    table += [(*_texts(entry), "yes" if bundled else "no") for entry, bundled in entries]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    standard.write("".join([f"{line}\n" for line in lines]))


def _texts(entry: Entry) -> tuple[str, str, str, str, str]:
    size = "-" if entry.size is None else f"{entry.size}"
    return safe(entry.name), entry.digest[:19], size, quote(entry.created or "-", 40), quote(entry.platform or "-", 40)


def version(*, settings: Settings) -> None:
    """Show beepy's version."""
    del settings
    standard.write(f"{beepy.__version__}\n")
