"""The options of ``beepy describe``."""

from typing import Annotated, Literal

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.width import columns_of_terminal


def describe(
    *,
    settings: Settings,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image reference, ELF file or archive.")],
    output: Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="Output format.")] = "text",
    relocations: Annotated[bool, typer.Option("--relocations", help="Show every CO-RE relocation.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Check whether this kernel can run it; needs root."),
    ] = False,
    btf: Annotated[
        str,
        typer.Option("--btf", metavar="FILE", help="Use another kernel's types: BTF, vmlinux or BTFHub archive."),
    ] = "",
) -> None:
    """Show what is in an image; --check: whether it runs here."""
    from beepy.analysis.describe import describe as describe_program  # noqa: PLC0415
    from beepy.cli import description  # noqa: PLC0415 - --help needs none of it
    from beepy.oci import lookup  # noqa: PLC0415
    from beepy.source import parse_all  # noqa: PLC0415

    if btf and not (check or relocations):
        raise UsageError("--btf: expected --check or --relocations too")
    found = lookup.find(image, settings.options())
    # what is not shown has a line of its own
    specs = parse_all(found, warn=False)
    if check or (btf and relocations):
        from beepy.cli.asked import ask  # noqa: PLC0415 - only here the kernel is looked at

        answers = ask(specs, btf, check=check)
        described = [
            describe_program(found, spec, relocations=relocations, fixups=fixups, check=info)
            for spec, (info, fixups) in zip(specs, answers, strict=True)
        ]
    else:
        described = [describe_program(found, spec, relocations=relocations) for spec in specs]
    if output == "json":
        stdio.write(description.as_json(described))
    else:
        width = columns_of_terminal(stdio.STDOUT)
        stdio.write("".join([f"{line}\n" for one in described for line in description.as_text(one, width)]))
    if any(one.check and not one.check.runs for one in described):
        raise typer.Exit(1)
