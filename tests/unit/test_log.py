"""Messages, and when ``logging`` is imported for them."""

import logging
import os
import subprocess
import sys

import pytest

from beepy.log import Log

TELLER = Log("beepy.teller")


def alone(script: str) -> list[str]:
    """Run a script in a process that has not imported ``logging``; return what it wrote."""
    script = f"import sys\nfrom beepy.log import Log, warn\nteller = Log('beepy.teller')\n{script}"
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


def test_warnings_alone_need_no_logging() -> None:
    told = alone("""
warn(lambda text: print("told:", text))
teller.warning("one %d", 1)
teller.info("two")
print("logging" in sys.modules)
import logging
teller.warning("three")
logging.basicConfig(level="INFO", format="%(levelname)s %(name)s %(funcName)s: %(message)s", stream=sys.stdout)
warn(None)
def tell():
    teller.warning("four")
    teller.info("five")
    teller.debug("six")
tell()
""")
    assert told == [
        "told: one 1",
        "False",
        "told: three",
        "WARNING beepy.teller tell: four",
        "INFO beepy.teller tell: five",
    ]


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
