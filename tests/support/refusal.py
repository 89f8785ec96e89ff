"""Compare whole error messages."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from beepy.errors import BeepyError


@contextmanager
def refused(kind: type[BeepyError], message: str) -> Iterator[pytest.ExceptionInfo[BeepyError]]:
    """Expect an error of just that class and message."""
    with pytest.raises(kind) as error:
        yield error
    assert type(error.value) is kind, repr(error.value)
    assert str(error.value) == message, str(error.value)
