"""``beepy tag``, ``rm``, ``prune``, ``save`` and ``load``: the images of the local store."""

import os
import shlex
from collections.abc import Iterable
from typing import Annotated, Literal

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.oci.options import Options
from beepy.text import safe

_Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Local or bundled images.")]


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
    """Remove what no image needs: blobs, and unfinished files."""
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
        typer.Option("--output", "-o", metavar="FILE", help="Write this file; default: to a pipe."),
    ] = None,
) -> None:
    """Write images, with their signatures, into an OCI archive."""
    if output is None and os.isatty(stdio.STDOUT):
        error = UsageError("save: an archive is not written to a terminal")
        error.add_note(f"beepy save {safe(shlex.join(images))} -o images.tar")
        raise error
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
        typer.Argument(
            metavar="[FILE]",
            help="An archive, or a directory with an image layout; default: from a pipe.",
        ),
    ] = "",
    given: Annotated[
        str, typer.Option("--input", "-i", metavar="FILE", help="The same, as docker spells it.")
    ] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="REF", help="Name of the archive's only image.")
    ] = "",
) -> None:
    """Load the images of an OCI archive into the local store."""
    if file and given:
        raise UsageError("--input: not with FILE, which is the same")
    path = file or given or "-"
    if path == "-" and os.isatty(stdio.STDIN):
        error = UsageError("load: no archive given")
        error.add_note("beepy load images.tar")
        raise error
    from beepy.oci import loading  # noqa: PLC0415 - not for --help

    _write(loading.load(path, name, settings.registry_options()))


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
