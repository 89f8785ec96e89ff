"""Shell commands that do the same as bee's commands that beepy does not have yet."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from shlex import quote
from typing import Final

from beepy.errors import StoreError
from beepy.oci import lookup
from beepy.oci.options import Options, default_storage

_LOOPBACK: Final = ("127.0.0.1", "localhost")  # bee uses plain HTTP for these without a flag


def notes(command: str, arguments: Sequence[str], options: Options) -> list[str]:
    """Return shell commands that do the same as bee's ``command``.

    ``arguments`` up to the first option replace their placeholders.
    """
    options_at = next(
        (index for index, text in enumerate(arguments) if text.startswith("-")), len(arguments)
    )
    operands = [quote(text) for text in arguments[:options_at]]
    return _TABLE[command](operands, options)


def _push(operands: Sequence[str], options: Options) -> list[str]:
    image = operands[0] if operands else "IMAGE"
    plain = (
        "--dest-tls-verify=false " if image.partition("/")[0].partition(":")[0] in _LOOPBACK else ""
    )
    return [f"skopeo copy {plain}{_stored(image, options)} docker://{image}"]


def _login(operands: Sequence[str], _options: Options) -> list[str]:
    server = operands[0] if operands else "SERVER"
    return [f"docker login {server}", f"skopeo login {server}"]


_TABLE: Final[Mapping[str, Callable[[Sequence[str], Options], list[str]]]] = {
    "push": _push,
    "login": _login,
}

COMMANDS: Final = tuple(_TABLE)


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
