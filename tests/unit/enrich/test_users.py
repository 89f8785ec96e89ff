"""Names of users and groups."""

import grp
import pwd

from beepy.enrich import users


def test_names_are_those_of_the_name_service() -> None:
    for entry in pwd.getpwall()[:20]:
        assert users.user(entry.pw_uid) == pwd.getpwuid(entry.pw_uid).pw_name
    for group in grp.getgrall()[:20]:
        assert users.group(group.gr_gid) == grp.getgrgid(group.gr_gid).gr_name


def test_ids_without_a_name() -> None:
    unused = 3_999_999_999
    for number in (unused, (1 << 32) - 1, 1 << 32, 1 << 64, -1):
        assert users.user(number) == ""
        assert users.group(number) == ""


def test_names_that_are_kept_are_bounded() -> None:
    """A record may have any number, and a run lasts for months."""
    for number in range(users._MAX_KEPT + 9):
        assert users.user((1 << 32) + number) == ""  # for which nobody is asked
    assert users.user.cache_info().currsize == users._MAX_KEPT
