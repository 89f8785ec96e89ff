"""Docker's credential helpers: programs ``docker-credential-NAME`` that keep secrets."""

import errno
import re
import subprocess
from typing import Final

from beepy.errors import RegistryError
from beepy.text import excerpt

_NOT_FOUND: Final = "credentials not found in native keychain"  # docker-credential-helpers' words
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


def failure(code: int, output: bytes) -> str:
    """Return why a helper failed, "" if it only has no credentials for the server."""
    words = excerpt(output.decode(errors="backslashreplace").strip(), 160)
    return "" if _NOT_FOUND in words else words or f"exit status {code}"
