"""``beepy tag``, ``rm``, ``prune``, ``save`` and ``load``: the images of the local store."""

import os
from collections.abc import Iterable
from typing import Annotated, Literal

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.oci.options import Options
from beepy.text import safe

_Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE...", help="Images of the local stores.")
]


def tag(
    *,
    settings: Settings,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A local or bundled image.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Its new name, a reference.")],
) -> None:
    """Give an image another name."""
    from beepy.oci import copying  # noqa: PLC0415 - not for --help

    digest = copying.tag(source, target, settings.registry_options())
    _write([(target, digest)])


def remove(
    *,
    settings: Settings,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Names or digests of images in beepy's store."),
    ],
) -> None:
    """Remove images, and the blobs that no other image needs."""
    from beepy.oci import removal  # noqa: PLC0415 - as above
    from beepy.oci.layout import name_of  # noqa: PLC0415

    entries, files = removal.remove(images, settings.registry_options())
    _write((name_of(entry) or "-", str(entry.get("digest"))) for entry in entries)
    stdio.eprint(f"beepy: {_total(len(files), sum(file.size for file in files))} removed")


def prune(
    *,
    settings: Settings,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing, only show what would be removed.")
    ] = False,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="Output format.")
    ] = "text",
) -> None:
    """Remove blobs that no image needs, and files that killed processes left."""
    from beepy.oci import garbage, lookup  # noqa: PLC0415 - as above

    options = settings.registry_options()
    pruned = garbage.prune(lookup.own_store(options).layout, dry_run=dry_run)
    size = sum(file.size for file in pruned.removed)
    if output == "json":
        import json  # noqa: PLC0415

        files = [{"file": "/".join(file.parts), "size": file.size} for file in pruned.removed]
        value = {"removed": files, "size": size, "young": pruned.young, "dry_run": dry_run}
        stdio.write(json.dumps(value, indent=2) + "\n")
        return
    stdio.write("".join([f"{safe('/'.join(file.parts))} {file.size}\n" for file in pruned.removed]))
    verb = "would be removed" if dry_run else "removed"
    stdio.eprint(f"beepy: {_total(len(pruned.removed), size)} {verb}")
    if pruned.young:
        minutes = f"{garbage.YOUNG_S / 60:g} minutes"
        stdio.eprint(
            f"note: {_files(pruned.young)} kept: written by another program in the last {minutes}"
        )


def save(
    *,
    settings: Settings,
    images: _Images,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="The archive; else to a pipe."),
    ] = None,
) -> None:
    """Write images into an archive (oci-archive), with their signatures."""
    if output is None and os.isatty(stdio.STDOUT):
        raise UsageError("save: the archive is not for a terminal: -o FILE, or a pipe")
    from beepy.oci import save as saving  # noqa: PLC0415 - not for --help

    options = settings.registry_options()
    if output is None:
        _save_to_stdout(images, options)
        return
    with saving.replaced(output) as write:
        saved = saving.save(images, write, options)
    _write(saved)


def load(
    *,
    settings: Settings,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="An archive, an image layout's directory, or -."),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="REF", help="Name of the archive's only image.")
    ] = "",
) -> None:
    """Load the images of an archive (oci-archive) into the local store."""
    from beepy.oci import loading  # noqa: PLC0415 - not for --help

    _write(loading.load(file, name, settings.registry_options()))


def _save_to_stdout(images: list[str], options: Options) -> None:
    from beepy.oci import save as saving  # noqa: PLC0415 - not for --help

    def write(data: bytes) -> None:
        try:
            saving.write_all(stdio.STDOUT, data)
        except OSError as error:
            raise stdio.write_error(error) from error

    saving.save(images, write, options)


def _write(images: Iterable[tuple[str, str]]) -> None:
    stdio.write("".join([f"{safe(name)} {safe(digest)}\n" for name, digest in images]))


def _total(files: int, size: int) -> str:
    from beepy.cli.listing import size_text  # noqa: PLC0415 - not for --help

    return f"{_files(files)}, {size_text(size)}"


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
