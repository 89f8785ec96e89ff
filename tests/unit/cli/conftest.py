"""What the command line changes in this process, undone."""

import logging
from collections.abc import Iterator

import pytest

from beepy import log


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """Give every test beepy's logger as it is without flags."""
    found = logging.getLogger("beepy")
    level, handlers = found.level, found.handlers[:]
    found.setLevel(logging.WARNING)
    yield found
    found.setLevel(level)
    found.handlers[:] = handlers
    log.set_warning_handler(None)
