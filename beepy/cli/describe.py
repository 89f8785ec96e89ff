"""``beepy describe``: its options."""

from enum import StrEnum
from typing import Annotated

import typer

from beepy.cli import standard
from beepy.cli.settings import Settings


class Form(StrEnum):
    """How a description is printed."""

    TEXT = "text"
    JSON = "json"


def describe(
    *,
    settings: Settings,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image reference, ELF file or archive.")],
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print.")] = Form.TEXT,
    relocations: Annotated[bool, typer.Option("--relocations", help="Every CO-RE relocation too.")] = False,
) -> None:
    """Tell all that is in an image; needs no privilege."""
    from beepy.cli import description  # noqa: PLC0415 - --help needs none of it
    from beepy.describe import describe as describe_program  # noqa: PLC0415
    from beepy.oci import lookup  # noqa: PLC0415
    from beepy.source import parse  # noqa: PLC0415

    found = lookup.find(image, settings.options())
    described = [
        describe_program(found, parse(found, number), relocations=relocations) for number in range(len(found.programs))
    ]
    if output is Form.JSON:
        standard.write(description.as_json(described))
    else:
        standard.write("".join([f"{line}\n" for one in described for line in description.as_text(one)]))
