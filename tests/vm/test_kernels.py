"""Every check in every kernel: one boot a kernel, two at a time; the table of results is printed."""

import pytest

from tests.vm.checks import TABLE
from tests.vm.guests import Guest

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("check", [check.name for check in TABLE])
def test_check(guest: Guest, check: str) -> None:
    line = guest.lines.get(check)
    assert line, f"{guest.release}: ended before this check; its console:\n{guest.console}"
    if line["outcome"] == "skipped":
        pytest.skip(line["told"])
    assert line["outcome"] == "passed", line["told"]
