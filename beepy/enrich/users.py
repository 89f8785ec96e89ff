"""Names of users and groups, as this machine's own name service has them."""

from functools import cache

_MAX_ID = (1 << 32) - 1  # (uid_t)-1: no id


def user(number: int) -> str:
    """Return the name of a user id, "" if there is none."""
    return _user(number)


def group(number: int) -> str:
    """Return the name of a group id, "" if there is none."""
    return _group(number)


@cache
def _user(number: int) -> str:
    import pwd  # noqa: PLC0415 - few records have users

    try:
        if 0 <= number < _MAX_ID:
            return pwd.getpwuid(number).pw_name
    except KeyError:
        pass
    return ""


@cache
def _group(number: int) -> str:
    import grp  # noqa: PLC0415 - as above

    try:
        if 0 <= number < _MAX_ID:
            return grp.getgrgid(number).gr_name
    except KeyError:
        pass
    return ""
