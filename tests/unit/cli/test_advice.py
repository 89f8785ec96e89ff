"""Notes on errors that only the command line can explain."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from beepy.cli import advice, report
from beepy.errors import BeepyError, KernelError, StoreError, TargetError, UsageError
from tests.support import told

ROOT = Path(__file__).parents[3]


def caused(error: BeepyError, cause: BaseException) -> BeepyError:
    error.__cause__ = cause
    return error


def during(error: BeepyError, context: BaseException) -> BeepyError:
    error.__context__ = context
    return error


FEW = OSError(errno.EMFILE, "Too many open files", "beepy/hooks/tracepoint.py")


@pytest.mark.parametrize(
    "error",
    [
        KernelError("perf event: too many open files (EMFILE)", errno.EMFILE),
        caused(BeepyError(f"{FEW.filename}: too many open files"), FEW),
        during(KernelError("x: not there", errno.ENOENT), caused(StoreError("store x: y"), FEW)),
    ],
)
def test_the_limit_of_the_process(error: BeepyError, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.failure(error) == 1
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    expected = (
        f"beepy: open files: limit of {limit} reached\nnote: ulimit -n {max(1024, 2 * limit)}\n"
    )
    assert capsys.readouterr().err == expected


def test_the_limit_of_the_whole_system() -> None:
    reached = advice.open_files(OSError(errno.ENFILE, "x"))
    assert str(reached) == "open files: limit of the whole system reached (fs.file-max)"


def test_other_errors_are_unchanged() -> None:
    error = KernelError("x", errno.ENOENT)
    error.__cause__ = error
    assert advice.open_files(error) is None


@pytest.mark.parametrize("number", range(5, 12))
def test_a_command_with_few_descriptors(number: int) -> None:
    """It runs, or names the limit: never a file of beepy's, never a traceback."""
    command = [sys.executable, "-m", "beepy", "describe", "exitsnoop"]
    limited = ["sh", "-c", f'ulimit -n {number} && exec "$@"', "sh", *command]
    done = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, check=False)
    expected = [f"beepy: open files: limit of {number} reached", "note: ulimit -n 1024"]
    assert (done.returncode, done.stderr.splitlines()) in ((0, []), (1, expected))


@pytest.mark.parametrize(
    ("password", "notes"),
    [
        ("42", ["-p is the password; one process alone: --pid 42"]),
        ("secret", []),
        ("\N{SUPERSCRIPT TWO}", []),
        ("0", []),
        ("9999999999", []),
        (None, []),
    ],
)
def test_a_pid_as_password_gets_a_note(password: str | None, notes: list[str]) -> None:
    error = UsageError("--password: expected --username too")
    advice.explain_password(error, password)
    assert told.notes(error) == notes


def test_a_wrong_target_is_a_usage_error_if_it_comes_from_attach() -> None:
    error = TargetError("program 'one': tc 'x/y': expected INTERFACE", "one")
    error.add_note("a note")
    wrong = advice.wrong_target(error, ["two=a", "one=x/y"])
    assert (type(wrong), str(wrong), wrong.__notes__) == (UsageError, str(error), ["a note"])
    assert advice.wrong_target(error, ["two=a"]) is error  # the object's section
