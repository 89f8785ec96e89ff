"""Names of users and groups, as this machine's own name service has them."""

from functools import lru_cache
from typing import Final

_MAX_ID: Final = (1 << 32) - 1  # (uid_t)-1: no id
_MAX_KEPT: Final = 1 << 13  # names of users, and of groups: records may have any number


@lru_cache(_MAX_KEPT)
def user(number: int) -> str:
    """Return the name of a user id, "" if there is none."""
    import pwd  # noqa: PLC0415 - few records have users

    try:
        if 0 <= number < _MAX_ID:
            return pwd.getpwuid(number).pw_name
    except KeyError:
        pass
    return ""


@lru_cache(_MAX_KEPT)
def group(number: int) -> str:
    """Return the name of a group id, "" if there is none."""
    import grp  # noqa: PLC0415 - as above

    try:
        if 0 <= number < _MAX_ID:
            return grp.getgrgid(number).gr_name
    except KeyError:
        pass
    return ""
