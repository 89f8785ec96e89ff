"""The options of ``beepy describe``."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.width import columns_of_terminal


def describe(
    *,
    settings: Settings,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An image reference, ELF file or archive.")
    ],
    output: Annotated[
        Literal["text", "json", "jsonschema"], typer.Option("--output", "-o", help="Output format.")
    ] = "text",
    relocations: Annotated[
        bool, typer.Option("--relocations", help="Show every CO-RE relocation.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Check whether this kernel can run it; needs root."),
    ] = False,
    map_types: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="MAP=TYPE",
            help="Describe this map with records of this type; repeat.",
        ),
    ] = None,
    btf: Annotated[
        str,
        typer.Option(
            "--btf",
            metavar="FILE",
            help="Use another kernel's types: BTF, vmlinux or BTFHub archive.",
        ),
    ] = "",
) -> None:
    """Show what is in an image; --check: whether it runs here."""
    from beepy.cli import description  # noqa: PLC0415 - --help needs none of it
    from beepy.inspection import inspect, json_schema  # noqa: PLC0415
    from beepy.oci import lookup  # noqa: PLC0415

    if btf and not (check or relocations):
        raise UsageError("--btf: expected --check or --relocations too")
    if output == "jsonschema" and (check or relocations):
        raise UsageError("-o jsonschema: not with --check or --relocations")
    found = lookup.find(image, settings.registry_options())
    chosen: Mapping[str, str] = {}
    if map_types:
        from beepy.conventions import choices  # noqa: PLC0415 - few calls name one

        chosen = choices.settings(map_types)
    if output == "jsonschema":
        stdio.write(json.dumps(json_schema(found, types=chosen), indent=2) + "\n")
        return
    described = inspect(found, check=check, btf=btf or None, relocations=relocations, types=chosen)
    if output == "json":
        stdio.write(description.as_json(described))
    else:
        width = columns_of_terminal(stdio.STDOUT)
        stdio.write(
            "".join(
                [f"{line}\n" for item in described for line in description.as_text(item, width)]
            )
        )
    if any(item.check and not item.check.runs for item in described):
        raise typer.Exit(1)
