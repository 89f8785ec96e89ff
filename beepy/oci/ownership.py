"""Ownership of files: what other users may write is not trusted like this user's own files."""

import os
import stat
from functools import cache
from pathlib import Path

from beepy.errors import BeepyError
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def refuse_others(path: Path, where: str, error: type[BeepyError], *, strict: int = 1) -> None:
    """Raise ``error`` if root would trust what other users may write; warn of what they can change.

    For root, the last ``strict`` components of ``path`` must not be writable by group or others,
    and none may belong to another user in a directory where everybody may create files (/tmp). One
    that belongs to another user elsewhere, such as $HOME under sudo, causes a warning. For other
    users nothing is refused, and groups are ignored: a group is often the user's own.
    """
    is_root = not os.geteuid()
    parts = Path(os.path.realpath(path)).parts
    warnings, by_everybody = [], False
    for depth in range(1, len(parts) + 1):
        component = Path(*parts[:depth])
        at = f"{where}: {safe(str(component))}"
        try:
            status = component.lstat()
        except OSError:  # nothing to trust, or reading it fails with the reason
            return
        is_open = bool(
            status.st_mode & stat.S_IWOTH
            and (depth > len(parts) - strict or not status.st_mode & stat.S_ISVTX)
        )
        if is_root and depth > len(parts) - strict and status.st_mode & _OTHERS:
            raise _with_advice(error(f"{at}: writable by others"), component)
        if is_open:
            warnings.append(f"{at}: writable by everybody")
        if status.st_uid not in (0, os.geteuid()):
            owner = _owner(status.st_uid)
            if by_everybody and is_root:
                raise error(f"{at}: owned by {owner}, who may have created it")
            warnings.append(f"{at}: owned by {owner}, who can change it")
        by_everybody = bool(status.st_mode & stat.S_IWOTH)
    for text in warnings[:1]:
        _warn(text)


def _with_advice(error: BeepyError, component: Path) -> BeepyError:
    import shlex  # noqa: PLC0415 - only on the way to an error

    error.add_note(f"chmod go-w {safe(shlex.quote(str(component)))}")
    return error


@cache
def _warn(text: str) -> None:
    """Warn once in a process: stores are opened, and credentials read, more than once."""
    _log.warning("%s", text)


def _owner(uid: int) -> str:
    import pwd  # noqa: PLC0415 - only on Unix, and only here

    try:
        return safe(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"user {uid}"
