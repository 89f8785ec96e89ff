"""podman, docker or buildah, which build a container image."""

import shutil
import subprocess
from pathlib import Path, PurePath
from typing import Final

from beepy.errors import BeepyError
from beepy.text import safe

_BUILDERS: Final = ("podman", "docker")


def find(program: str) -> str:
    """Return the path of ``program``, of podman or docker if it is "".

    Raises BeepyError, which says what to install.
    """
    for name in [program] if program else _BUILDERS:
        if path := shutil.which(name):
            return path
    names = safe(program) if program else " and ".join(_BUILDERS)
    error = BeepyError(f"{names}: not found in PATH: a program is needed that builds containers")
    error.add_note("install one: sudo apt install podman")
    raise error


def command(program: str, directory: Path, tag: str) -> list[str]:
    """Return the command that builds ``directory`` as an image named ``tag``."""
    # OCI's format has no health checks; docker has no such option
    is_docker = PurePath(program).name.startswith("docker")
    image_format = [] if is_docker else ["--format=docker"]
    containerfile = f"--file={directory / 'Containerfile'}"
    return [program, "build", *image_format, containerfile, f"--tag={tag}", str(directory)]


def build(program: str, directory: Path, tag: str, output: int) -> None:
    """Build ``directory``; all that the builder says goes to the descriptor ``output``.

    Raises BeepyError if it fails.
    """
    words = command(program, directory, tag)
    done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, stdout=output)  # noqa: S603 - the user's program
    if done.returncode:
        name = safe(PurePath(program).name)
        code = done.returncode
        how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        raise BeepyError(f"{safe(str(directory))}: {name} build: {how}")
