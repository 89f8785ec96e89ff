"""Explain errors by what only the command line knows: its options and the process's limits."""

import errno
from collections.abc import Iterator, Sequence

from beepy.arguments import MAX_PID
from beepy.errors import BeepyError, TargetError, UsageError, as_usage_error

_COMMON_LIMIT = 1024  # open files: the soft limit of most systems


def explain_password(error: UsageError, password: str | None) -> None:
    """Add a note on how to choose one process if the password looks like a pid.

    -p is the password, as in bee, and not the pid.
    """
    is_number = password and password.isascii() and password.isdecimal()
    if not (password and is_number and 0 < int(password) <= MAX_PID):
        return
    error.add_note(f"-p is the password; one process alone: --pid {password}")


def no_image(parameters: Sequence[str]) -> UsageError:
    """Return the error for a run without an image; its note lists the bundled ones.

    ``parameters`` are unknown options, with which an image would be asked for.
    """
    if parameters:
        from beepy.cli.parameters import no_such_option  # noqa: PLC0415 - only on the way to an error

        return no_such_option(parameters[0].partition("=")[0])
    from beepy.cli import listing  # noqa: PLC0415 - only on the way to an error
    from beepy.cli.stdio import STDERR  # noqa: PLC0415
    from beepy.oci import lookup  # noqa: PLC0415
    from beepy.width import columns_of_terminal  # noqa: PLC0415

    error = UsageError("run: no image given")
    lines = listing.descriptions(lookup.bundled_store().list(), columns_of_terminal(STDERR) or 80)
    error.add_note("\n".join(["beepy run exitsnoop, or another of the bundled images:", *lines]))
    return error


def wrong_target(error: TargetError, attach: Sequence[str]) -> BeepyError:
    """Return a UsageError if the target comes from --attach, else ``error``."""
    from beepy.collection import targets  # noqa: PLC0415 - only on the way to an error

    if error.program not in targets.parse(attach):
        return error
    return as_usage_error(error)


def open_files(error: BaseException) -> BeepyError | None:
    """Return an error that names the limit of open files if it caused ``error``, else None."""
    numbers = {cause.errno for cause in _causes(error) if isinstance(cause, OSError)}
    if errno.EMFILE in numbers:
        import resource  # noqa: PLC0415 - only on Unix

        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit_error = BeepyError(f"open files: limit of {limit} reached")
        limit_error.add_note(f"ulimit -n {max(_COMMON_LIMIT, 2 * limit)}")
        return limit_error
    if errno.ENFILE in numbers:
        limit_error = BeepyError("open files: limit of the whole system reached (fs.file-max)")
        limit_error.add_note("sysctl fs.file-nr fs.file-max")
        return limit_error
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, at most 20: they may form a circle."""
    cause: BaseException | None = error
    for _ in range(20):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
