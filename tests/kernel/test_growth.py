"""Rows that are added to tables work in a run, too."""

import pytest

from tests.unit.test_growth import with_an_output

pytestmark = pytest.mark.kernel


def test_an_output_is_used() -> None:
    done = with_an_output("run", "exitsnoop", "-o", "names", "--timeout", "10ms")
    assert done.returncode == 0
    assert done.stdout == "1 maps\nclosed\n"
