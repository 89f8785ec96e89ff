"""Messages, and when ``logging`` is imported for them."""

import logging
import os
import subprocess
import sys

import pytest

from beepy.log import Log

LOG = Log("beepy.room")


def run_alone(script: str) -> list[str]:
    """Run a script in a process that has not imported ``logging``; return what it wrote."""
    header = "import sys\nfrom beepy.log import Log, set_warning_handler\nlog = Log('beepy.room')\n"
    command = [sys.executable, "-c", header + script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()


def test_only_a_warning_imports_logging() -> None:
    lines = run_alone("""
log.info("one")
log.debug("two")
print(log.is_debug(), "logging" in sys.modules)
log.warning("%s", "three")
print("logging" in sys.modules, file=sys.stderr)
""")
    assert lines == ["False False", "three", "True"]


def test_a_warning_handler_needs_no_logging() -> None:
    lines = run_alone("""
set_warning_handler(lambda text: print("handler:", text))
log.warning("one %d", 1)
log.info("two")
print("logging" in sys.modules)
import logging
log.warning("three")
form = "%(levelname)s %(name)s %(funcName)s: %(message)s"
logging.basicConfig(level="INFO", format=form, stream=sys.stdout)
set_warning_handler(None)
def function():
    log.warning("four")
    log.info("five")
    log.debug("six")
function()
""")
    assert lines == [
        "handler: one 1",
        "False",
        "handler: three",
        "WARNING beepy.room function: four",
        "INFO beepy.room function: five",
    ]


def test_a_process_that_imports_logging_gets_every_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "beepy.room"):
        LOG.debug("one %s", 1)
        LOG.info("two")
        LOG.warning("three")
        assert LOG.is_debug()
        try:
            os.close(-1)
        except OSError:
            LOG.debug("four", exc_info=True)
    records = [(record.levelname, record.name, record.getMessage()) for record in caplog.records]
    assert records == [
        ("DEBUG", "beepy.room", "one 1"),
        ("INFO", "beepy.room", "two"),
        ("WARNING", "beepy.room", "three"),
        ("DEBUG", "beepy.room", "four"),
    ]
    function = "test_a_process_that_imports_logging_gets_every_message"
    assert {record.funcName for record in caplog.records} == {function}
    assert caplog.records[-1].exc_info
    with caplog.at_level(logging.INFO, "beepy.room"):
        assert not LOG.is_debug()
