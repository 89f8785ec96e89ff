"""``beepy package``: what builds a container of an image, and a pod that needs none."""

from pathlib import Path
from typing import Annotated

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.text import safe


def package(
    *,
    settings: Settings,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An image reference or an ELF file.")
    ],
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", show_default=False, help="Name of the container image."),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Directory; default: IMAGE-package."),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Build the container image, by podman or docker.")
    ] = False,
    builder: Annotated[
        str,
        typer.Option("--builder", "-b", metavar="PROGRAM", help="Build it by this program."),
    ] = "",
    base_image: Annotated[
        str,
        typer.Option("--base-image", metavar="NAME", help="Image with Python and pip to build on."),
    ] = "",
    beepy_image: Annotated[
        str,
        typer.Option(
            "--beepy-image", "--bee-image", metavar="NAME", help="Image with beepy to build on."
        ),
    ] = "",
    wheel: Annotated[
        Path | None, typer.Option("--wheel", metavar="FILE", help="Wheel of beepy to install.")
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="ARG", help="Argument for beepy run in it; repeat."),
    ] = None,
) -> None:
    """Write a Containerfile of an image, and Kubernetes pods."""
    from beepy.cli import packaging  # noqa: PLC0415 - not for --help
    from beepy.manifest import builder as builders  # noqa: PLC0415

    if (build or builder) and not name:
        raise UsageError(f"--{'build' if build else 'builder'}: expected NAME too")
    if beepy_image and (base_image or wheel):
        other = "base-image" if base_image else "wheel"
        raise UsageError(f"--beepy-image: not with --{other}: the image has beepy already")
    order = packaging.Order(
        image=image,
        tag=name,
        output=output,
        base_image=base_image,
        beepy_image=beepy_image,
        wheel=wheel,
        arguments=tuple(arg or ()),
    )
    directory, notes = packaging.write(order, settings.registry_options())
    for note in notes:
        stdio.eprint(f"note: {safe(note)}")
    if build or builder:
        builders.build(builders.find(builder), directory, name, stdio.STDERR)
    stdio.write(f"{safe(str(directory))}\n")
