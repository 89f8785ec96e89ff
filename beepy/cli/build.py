"""The options of ``beepy build``."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import join, quote
from typing import Annotated

import typer

from beepy.cli import panels, stdio, sudo
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.oci.descriptor import architecture, digest_of
from beepy.oci.manifest import OCI_PREFIX
from beepy.oci.options import default_storage
from beepy.oci.reference import parse
from beepy.oci.store import Store
from beepy.text import excerpt, safe


def build(
    *,
    settings: Settings,
    source: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="C source of a BPF program.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="[REF]", help="Name of the image in the local store; without, write an object."
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output-file",
            "-o",
            metavar="FILE",
            help="Write the object to this file; default without REF: FILE's name with .o.",
        ),
    ] = None,
    binary_only: Annotated[
        bool, typer.Option("--binary-only", help="Write only the object, no image.")
    ] = False,
    description: Annotated[
        str,
        typer.Option("--description", metavar="TEXT", help="Describe the image."),
    ] = "",
    author: Annotated[
        str, typer.Option("--author", metavar="TEXT", help="Name the image's author.")
    ] = "",
    arch: Annotated[
        list[str] | None,
        typer.Option(
            "--arch",
            metavar="ARCH,...",
            help="amd64, arm64, or both in one image; default: this machine's.",
        ),
    ] = None,
    cflags: Annotated[
        list[str] | None,
        typer.Option(
            "--cflags",
            metavar="FLAGS",
            help="More flags for the compiler, separated by blanks; repeat.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = None,
    btf: Annotated[
        Path | None,
        typer.Option(
            "--btf",
            metavar="FILE",
            help="Write vmlinux.h from this file's types: BTF, vmlinux or BTFHub archive.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = None,
    build_script: Annotated[
        Path | None,
        typer.Option(
            "--build-script",
            metavar="FILE",
            help="Compile by this shell script: $1 is the source, $2 the object.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = None,
    build_script_out: Annotated[
        bool,
        typer.Option(
            "--build-script-out",
            help="Print the build script and exit.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = False,
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            "-l",
            help="Compile with local tools, which is always done.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = False,
    builder: Annotated[
        str,
        typer.Option(
            "--builder",
            "-b",
            metavar="PROGRAM",
            help="bee's container engine: not used.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = "",
    build_image: Annotated[
        str,
        typer.Option(
            "--build-image",
            "-i",
            metavar="IMAGE",
            help="bee's container image with a compiler: not used.",
            rich_help_panel=panels.COMPILE,
        ),
    ] = "",
) -> None:
    """Compile a BPF program and write an image."""
    from beepy.toolchain import compile as compiling  # noqa: PLC0415 - --help needs none of it
    from beepy.toolchain import files, image  # noqa: PLC0415

    del local
    if build_script_out:
        script = build_script or compiling.SCRIPT
        stdio.write(script.read_text(encoding="utf-8", errors="surrogateescape"))
        return
    if source is None:
        error = UsageError("build: no source given")
        error.add_note("beepy build probe.c probe:1")
        raise error
    annotations = _annotations(authors=author, description=description)
    reference = None if binary_only else reference
    if reference:
        _check_reference(reference)
    architectures = _architectures(arch)
    if len(architectures) > 1 and (output_file or not reference):
        raise UsageError("--arch: several architectures need an image: expected REF, and no object")
    if not reference and not output_file:
        output_file = files.default_object(source)
    if output_file and os.path.realpath(output_file) == os.path.realpath(source):
        raise UsageError(f"{safe(str(source))}: the object would replace the source")
    for option, value in (("--builder", builder), ("--build-image", build_image)):
        if value:
            stdio.eprint(f"note: {option} {safe(value)}: not used: local tools compile")
    store = Store(settings.registry_options().storage or default_storage())
    options = compiling.CompileOptions(tuple(cflags or ()), build_script, btf)
    objects = compiling.compile_all(source, architectures, options, stdio.eprint)
    written = []
    with ExitStack() as outputs:
        if output_file:
            (program,) = objects.values()
            outputs.enter_context(files.replacement(output_file, program))
            written.append(f"{safe(str(output_file))} {digest_of(program)}\n")
        if reference:
            digest = image.write(store, reference, objects, annotations)
            written.append(f"{safe(reference)} {digest}\n")
    stdio.write("".join(written))
    if sys.stderr and sys.stderr.isatty():
        image_name = reference or quote(files.as_image(output_file or source))
        stdio.eprint(f"note: {_run_command(image_name, store if reference else None)}")


def _annotations(**texts: str) -> dict[str, str]:
    """Return OCI's annotations of those names. Raise UsageError for what is not UTF-8."""
    for text in texts.values():
        if not text.isprintable() and "\\x" in safe(text):
            raise UsageError(f"'{excerpt(text)}': an annotation is one line of text")
    return {f"{OCI_PREFIX}{name}": text for name, text in texts.items() if text}


def _check_reference(text: str) -> None:
    """Raise InvalidReference, or UsageError for a digest, which only the result has."""
    if parse(text).digest:
        raise UsageError(f"{safe(text)}: the name of a new image has no digest")


def _architectures(given: Sequence[str] | None) -> list[str]:
    """Return OCI's names of the architectures, each once. Raise UsageError for unknown ones."""
    from beepy.toolchain.architectures import ARCHITECTURES  # noqa: PLC0415 - --help needs none of it

    names = [name.strip() for text in given or [os.uname().machine] for name in text.split(",")]
    architectures = list(dict.fromkeys(map(architecture, names)))
    if unknown := [name for name in architectures if name not in ARCHITECTURES]:
        raise UsageError(f"--arch '{excerpt(unknown[0])}': expected {' or '.join(ARCHITECTURES)}")
    return architectures


def _run_command(image: str, store: Store | None) -> str:
    """Return what to type next: root, who may run it, has another store than this user."""
    if not os.geteuid():
        return safe(f"beepy run {image}")
    storage = f" --storage {quote(str(store.path))}" if store else ""
    return safe(f"sudo {join(sudo.program_words())} run {image}{storage}")
