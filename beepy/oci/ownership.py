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


def refuse_others(
    path: Path, where: str, error: type[BeepyError], *, strict: int = 1, quiet: bool = False
) -> None:
    """Raise ``error`` if root would trust what other users may write; warn of what they can change.

    For root, the last ``strict`` components of ``path`` must not be writable by group or others,
    and none may belong to another user in a directory where everybody may create files (/tmp). One
    that belongs to another user elsewhere, such as $HOME under sudo, causes a warning. For other
    users nothing is refused, and groups are ignored: a group is often the user's own. ``quiet``: do
    not warn.
    """
    as_given = Path(os.path.abspath(path)).parts  # noqa: PTH100 - a link of another user counts, too
    resolved = Path(os.path.realpath(path)).parts
    warnings = [
        text
        for parts in dict.fromkeys((as_given, resolved))
        for text in _concerns(parts, where, error, strict)
    ]
    for text in warnings[: 0 if quiet else 1]:
        _warn(text)


def _concerns(
    parts: tuple[str, ...], where: str, error: type[BeepyError], strict: int
) -> list[str]:
    """Return what others can change of a path; raise ``error`` for what root would trust."""
    is_root = not os.geteuid()
    concerns, by_everybody = [], False
    for depth in range(1, len(parts) + 1):
        component = Path(*parts[:depth])
        at = f"{where}: {safe(str(component))}"
        try:
            status = component.lstat()
        except OSError:  # nothing to trust, or reading it fails with the reason
            return []
        mode = 0 if stat.S_ISLNK(status.st_mode) else status.st_mode  # a link's mode says nothing
        is_open = bool(
            mode & stat.S_IWOTH and (depth > len(parts) - strict or not mode & stat.S_ISVTX)
        )
        if is_root and depth > len(parts) - strict and mode & _OTHERS:
            raise _with_advice(error(f"{at}: writable by others"), component)
        if is_open:
            concerns.append(f"{at}: writable by everybody")
        if status.st_uid not in (0, os.geteuid()):
            owner = _owner(status.st_uid)
            if by_everybody and is_root:
                raise error(f"{at}: owned by {owner}, who may have created it")
            concerns.append(f"{at}: owned by {owner}, who can change it")
        by_everybody = bool(mode & stat.S_IWOTH)
    return concerns


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
