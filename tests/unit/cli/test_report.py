import logging
from errno import EACCES, EINVAL

import pytest

from beepy.cli import report
from beepy.errors import (
    BeepyError,
    ImageNotFound,
    InvalidReference,
    KernelError,
    OutputError,
    UnsupportedSection,
    UsageError,
    VerifierError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (InvalidReference("x"), 2),
        (ImageNotFound("x"), 1),
        (UnsupportedSection("x"), 1),
        (OutputError("x"), 1),
        (KernelError("x", EINVAL), 1),
        (VerifierError("x", EACCES, "log"), 1),
    ],
)
def test_a_failure_is_one_line(
    error: BeepyError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.failure(error) == code
    assert capsys.readouterr() == ("", "beepy: x\n")


def test_notes_follow_and_are_safe(capsys: pytest.CaptureFixture[str]) -> None:
    error = ImageNotFound("a\x1b[31m\nb")
    error.add_note("do this\n  then \x07 that")
    error.add_note("or that")
    report.failure(error)
    assert capsys.readouterr().err.splitlines() == [
        r"beepy: a\x1b[31m\x0ab",
        "note: do this",
        r"  then \x07 that",
        "note: or that",
    ]


def test_debug_prints_the_verifiers_log_and_a_traceback(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.setLevel(logging.DEBUG)
    report.failure(VerifierError("program 'x': no", EACCES, "0: first\x1b\n1: second\n"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "beepy: program 'x': no",
        r"0: first\x1b",
        "1: second",
        "beepy.errors.VerifierError: program 'x': no",
    ]


def test_log_lines_are_safe(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logger.addHandler(handler := report.Handler())
    try:
        logging.getLogger("beepy.some.room").warning("map '%s': lost %d", "a\x1b\n", 3)
    finally:
        logger.removeHandler(handler)
    assert capsys.readouterr().err == "warning: map 'a\\x1b\\x0a': lost 3\n"


def test_a_long_message_is_cut_without_debug(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    error = UsageError("x" * 100_000 + ": why")
    error.add_note("\n".join(["y"] * 100))
    error.add_note("z" * 100_000)
    report.failure(error)
    shown = capsys.readouterr().err
    assert len(shown) < 2600
    assert len(shown.splitlines()) <= 21
    assert ": why\n" in shown
    logger.setLevel(logging.DEBUG)
    report.failure(error)
    assert len(capsys.readouterr().err) > 200_000
