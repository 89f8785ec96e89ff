"""``beepy push``, ``pull`` and ``inspect``: images and registries."""

from typing import Annotated, Literal

import typer

from beepy.cli import panels, stdio
from beepy.cli.settings import Settings
from beepy.oci.options import PullPolicy
from beepy.text import safe
from beepy.width import columns_of_terminal


def push(
    *,
    settings: Settings,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="A local image, or an OCI archive (./x.tar).")
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="[TARGET]", help="The reference to push to, if it is another one."),
    ] = "",
) -> None:
    """Push a local image to its registry, or to TARGET."""
    from beepy.cli.progress import bars  # noqa: PLC0415 - not for --help
    from beepy.oci.push import push as push_image  # noqa: PLC0415 - as above
    from beepy.oci.push import target_of  # noqa: PLC0415 - as above

    options = settings.registry_options()
    name = target_of(image, target, options)
    with bars("push") as progress:
        digest = push_image(image, name, options, progress=progress)
    stdio.write(f"{safe(name)} {digest}\n")


def pull(
    *,
    settings: Settings,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image reference.")],
) -> None:
    """Pull an image from its registry into the local store."""
    from beepy.cli.progress import bars  # noqa: PLC0415 - not for --help
    from beepy.oci import lookup  # noqa: PLC0415 - as above

    options = settings.registry_options()._replace(pull="always")
    with bars("pull") as progress:
        pulled = lookup.pull(image, options, progress=progress)
    stdio.write(f"{safe(pulled.name)} {pulled.digest}\n")


def inspect(
    *,
    settings: Settings,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An image reference or OCI archive.")
    ],
    output: Annotated[
        Literal["text", "json", "raw"],
        typer.Option("--output", "-o", help="Output format; raw: the manifest's own bytes."),
    ] = "text",
    pull: Annotated[
        PullPolicy,
        typer.Option("--pull", help="When to ask the registry.", rich_help_panel=panels.REGISTRIES),
    ] = "missing",
) -> None:
    """Show an image's manifest and referrers; pull nothing."""
    from beepy.cli import inspected as formats  # noqa: PLC0415 - not for --help
    from beepy.oci.inspect import inspect as inspect_image  # noqa: PLC0415 - as above

    inspected = inspect_image(image, settings.registry_options()._replace(pull=pull))
    if output == "raw":
        stdio.write_bytes(inspected.data)
    elif output == "json":
        stdio.write(formats.as_json(inspected))
    else:
        width = columns_of_terminal(stdio.STDOUT)
        stdio.write("".join([f"{line}\n" for line in formats.as_text(inspected, width)]))
