"""Every check in every kernel: one boot a kernel, two at a time; the tables of results are printed.

The kernel that the tests run on does those that show a way to attach.
"""

import pytest

from beepy import sections
from tests.vm import kernels, kinds
from tests.vm.checks import TABLE
from tests.vm.guests import Guest

pytestmark = pytest.mark.timeout(3600)  # a machine ends a guest by its work, not by the clock

ASKED = [
    pytest.param(kernel, check.name, id=f"{kernel}-{check.name}")
    for check in TABLE
    for kernel in (kernels.HERE, *kernels.TABLE)
    if check.kinds or kernel is not kernels.HERE
]


@pytest.mark.parametrize(("kernel", "check"), ASKED, indirect=["kernel"], scope="session")
def test_check(guest: Guest, check: str) -> None:
    line = guest.lines.get(check)
    assert line, f"{guest.release}: ended before this check; its console:\n{guest.console}"
    if line["outcome"] == "skipped":
        pytest.skip(line["told"])
    assert line["outcome"] == "passed", line["told"]
    assert line["told"]


def test_every_section_is_of_one_kind() -> None:
    assert kinds.uncovered() == []
    known = {hook.section for hook in sections.TABLE}
    assert [
        section for listed in kinds.TABLE.values() for section in listed if section not in known
    ] == []


def test_every_kind_is_shown_by_one_check() -> None:
    assert sorted([kind for shown in kinds.CHECKS.values() for kind in shown]) == sorted(
        kinds.TABLE
    )
