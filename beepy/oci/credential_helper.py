"""Docker's credential helpers: programs ``docker-credential-NAME`` that keep secrets."""

import errno
import re
import subprocess
from typing import Final

from beepy.errors import RegistryError

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PATIENCE_S: Final = 10


def run(name: str, action: str, given: bytes, where: str) -> tuple[int, bytes]:
    """Run a helper with ``given`` on stdin; return its exit code, and what it wrote.

    Raises OSError if it cannot be run or does not end, RegistryError for what is not a name.
    """
    if not _NAME.fullmatch(name):
        raise RegistryError(f"{where}: not a program name")
    command = [f"docker-credential-{name}", action]
    try:
        ran = subprocess.run(  # noqa: S603 - the user's own configuration names it
            command, input=given, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer in {_PATIENCE_S} s") from error
    return ran.returncode, ran.stdout or ran.stderr
