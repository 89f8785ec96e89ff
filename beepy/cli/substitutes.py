"""Shell commands that do the same as bee's commands that beepy does not have yet."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from shlex import quote
from typing import Final

from beepy.errors import StoreError
from beepy.oci import lookup
from beepy.oci.formats import bee
from beepy.oci.options import Options, default_storage


def notes(
    command: str, arguments: Sequence[str], options: Options, commands: Sequence[str]
) -> list[str]:
    """Return shell commands that do the same as bee's ``command``; ``commands`` are beepy's own.

    ``arguments`` up to the first option replace their placeholders.
    """
    options_at = next(
        (index for index, text in enumerate(arguments) if text.startswith("-")), len(arguments)
    )
    operands = [quote(text) for text in arguments[:options_at]]
    if command == "completion":
        return [f"complete -o default -W '{' '.join(commands)}' beepy"]
    return _TABLE[command](operands, options)


def _build(operands: Sequence[str], _options: Options) -> list[str]:
    source = operands[0] if operands else "FILE.bpf.c"
    target = f"{PurePath(source).name.partition('.')[0]}.o"
    machine = os.uname().machine
    target_arch = {"x86_64": "x86", "aarch64": "arm64"}.get(machine, machine)
    flags = f"-O2 -g -target bpf -D__TARGET_ARCH_{target_arch} -I/usr/include/{machine}-linux-gnu"
    next_command = (
        f"oras push {operands[1]} {target}:{bee.PROGRAM}"
        if len(operands) > 1
        else f"beepy run ./{target}"
    )
    return [f"clang {flags} -c {source} -o {target} && {next_command}"]


def _init(_operands: Sequence[str], _options: Options) -> list[str]:
    return ["bpftool btf dump file /sys/kernel/btf/vmlinux format c > vmlinux.h"]


def _package(operands: Sequence[str], options: Options) -> list[str]:
    image = operands[0] if operands else "IMAGE"
    return [f"skopeo copy {_stored(image, options)} oci-archive:image.tar && beepy run ./image.tar"]


_TABLE: Final[Mapping[str, Callable[[Sequence[str], Options], list[str]]]] = {
    "build": _build,
    "init": _init,
    "package": _package,
}

COMMANDS: Final = (*_TABLE, "completion")


def _stored(image: str, options: Options) -> str:
    """Return skopeo's name of an image in the first store that has it, else in beepy's own."""
    for store in (*lookup.stores(options), lookup.bundled_store()):
        with suppress(StoreError):
            if entry := store.find(image):
                name, *_ = entry
                return f"oci:{quote(str(store.path))}:{quote(name)}"
    return f"oci:{_own_store(options)}:{image}"


def _own_store(options: Options) -> str:
    return quote(os.fspath(options.storage or default_storage()))
