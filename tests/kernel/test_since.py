import pytest

from tests.support import ages

pytestmark = pytest.mark.kernel


def test_the_running_kernel_knows_what_is_not_newer_than_it_is() -> None:
    assert list(ages.wrong()) == []
