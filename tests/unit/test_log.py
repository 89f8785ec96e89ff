"""Messages, and when ``logging`` is imported for them."""

import logging
import os
import subprocess
import sys

import pytest

from beepy import log
from beepy.log import Log

TELLER = Log("beepy.teller")


def alone(script: str) -> list[str]:
    """Run a script in a process that has not imported ``logging``; return what it wrote."""
    script = f"import sys\nfrom beepy.log import Log, prepare\nteller = Log('beepy.teller')\n{script}"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return (ran.stdout + ran.stderr).splitlines()


def test_nobody_to_tell() -> None:
    told = alone("""
teller.info("one")
teller.debug("two")
print(teller.debugs(), "logging" in sys.modules)
teller.warning("%s", "three")
print("logging" in sys.modules, file=sys.stderr)
""")
    assert told == ["False False", "three", "True"]


def test_it_is_set_up_before_the_first_message_by_the_last_who_asked() -> None:
    told = alone("""
def listen(level):
    import logging
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(funcName)s: %(message)s", stream=sys.stdout)
prepare(lambda: listen("DEBUG"))
prepare(lambda: listen("INFO"))
def tell():
    teller.info("one")
    teller.warning("two %d", 2)
    teller.info("three")
    teller.debug("four")
tell()
""")
    assert told == ["WARNING beepy.teller tell: two 2", "INFO beepy.teller tell: three"]


def test_whoever_imports_logging_hears_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "beepy.teller"):
        TELLER.debug("one %s", 1)
        TELLER.info("two")
        TELLER.warning("three")
        assert TELLER.debugs()
        try:
            os.close(-1)
        except OSError:
            TELLER.debug("four", exc_info=True)
    found = [(record.levelname, record.name, record.getMessage()) for record in caplog.records]
    assert found == [
        ("DEBUG", "beepy.teller", "one 1"),
        ("INFO", "beepy.teller", "two"),
        ("WARNING", "beepy.teller", "three"),
        ("DEBUG", "beepy.teller", "four"),
    ]
    assert {record.funcName for record in caplog.records} == {"test_whoever_imports_logging_hears_all"}
    assert caplog.records[-1].exc_info
    with caplog.at_level(logging.INFO, "beepy.teller"):
        assert not TELLER.debugs()


def test_what_was_prepared_is_done_once() -> None:
    done: list[int] = []
    log.prepare(lambda: done.append(1))
    TELLER.warning("one")
    TELLER.warning("two")
    assert done == [1]
