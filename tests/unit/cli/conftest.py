"""Undo what the command line changes in this process."""

import logging
from collections.abc import Iterator

import pytest

from beepy import log


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """Return beepy's logger as it is without -v and -d, for every test."""
    beepy_logger = logging.getLogger("beepy")
    level, handlers = beepy_logger.level, beepy_logger.handlers[:]
    beepy_logger.setLevel(logging.WARNING)
    yield beepy_logger
    beepy_logger.setLevel(level)
    beepy_logger.handlers[:] = handlers
    log.set_warning_handler(None)
