"""What sudo changes: root has another home, so other stores, and another PATH."""

import os
import pwd
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from beepy.cli.settings import CONFIG_VARIABLE, STORAGE_VARIABLE
from beepy.errors import ImageNotFound, StoreError
from beepy.oci.options import Options
from beepy.oci.store import Store
from beepy.text import safe

_PASSWORD: Final = re.compile(r"^(-p=?|--password=).+")


def advise(error: ImageNotFound, images: Sequence[str], options: Options) -> None:
    """Add a note if the user who called sudo has one of the images in beepy's store."""
    user = os.environ.get("SUDO_USER")
    if not user or options.storage or os.geteuid():
        return
    with suppress(KeyError, StoreError):
        path = Path(pwd.getpwnam(user).pw_dir) / ".local" / "share" / "beepy" / "store"
        store = Store(path)
        if any(store.find(image) for image in images):
            error.add_note(f"{safe(user)} has it: sudo {safe(command_line(str(path)))}")


def command_line(storage: str) -> str:
    """Return the shell command that started this process, with full path, without password.

    A ``storage`` is added to it.
    """
    program, arguments = program_words(), sys.argv[1:]
    names = [name for name in (STORAGE_VARIABLE, CONFIG_VARIABLE) if name in os.environ]
    if names:  # sudo does not keep the environment
        program = ["env", *[f"{name}={os.environ[name]}" for name in names], *program]
    words = [_PASSWORD.sub(r"\1...", word) for word in arguments]
    for number, word in enumerate(words[:-1]):
        if word in {"-p", "--password"}:
            words[number + 1] = "..."
    stored = ["--storage", storage] if storage else []
    return shlex.join([*program, *stored, *words])


def program_words() -> list[str]:
    """Return the words that start this beepy under sudo, which has a PATH of its own."""
    path = sys.argv[0]
    if os.path.basename(path) == "__main__.py":  # noqa: PTH119
        return [sys.executable, "-m", "beepy"]
    return [os.path.abspath(path)]  # noqa: PTH100 - links are kept
