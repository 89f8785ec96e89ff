"""What can be said of an error only here: it takes the command line, the images, or this process's limits."""

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path

from beepy.errors import BeepyError, TargetError, UsageError, typed

_MAX_PID = 1 << 22  # PID_MAX_LIMIT
_ENOUGH = 1024  # open files: what most systems allow


def explain_password(error: UsageError, password: str | None, images: Sequence[str], storage: Path | None) -> None:
    """Add how one process is shown, where -p got a number: it is the password, as bee has it."""
    if not (password and password.isascii() and password.isdecimal() and 0 < int(password) <= _MAX_PID):
        return
    from beepy.collection import targets  # noqa: PLC0415 - only on the way to an error
    from beepy.oci import lookup  # noqa: PLC0415
    from beepy.source import parse  # noqa: PLC0415

    options = lookup.Options(storage, pull="never")
    try:
        found = [lookup.find(name, options) for name in images]
        specs = [parse(image, at) for image in found for at in range(len(image.programs))]
        note = targets.pid_note(specs, int(password))
    except BeepyError:  # the image is not what this is about
        note = ""
    error.add_note(note or f"-p is the password; one process alone: --pid {password}")


def wrong_target(error: TargetError, attach: Sequence[str]) -> BeepyError:
    """Return the error as one of the command line, if the target is of one of these --attach; else as it is."""
    from beepy.collection import targets  # noqa: PLC0415 - only on the way to an error

    if error.program not in targets.parse(attach):
        return error
    wrong = UsageError(typed(error))
    for note in getattr(error, "__notes__", ()):
        wrong.add_note(note)
    return wrong


def open_files(error: BaseException) -> BeepyError | None:
    """Return which limit was reached, if it was for want of file descriptors that something failed; else None."""
    numbers = {one.errno for one in _chain(error) if isinstance(one, OSError)}
    if errno.EMFILE in numbers:
        import resource  # noqa: PLC0415 - only on Unix

        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        reached = BeepyError(f"open files: limit of {limit} reached")
        reached.add_note(f"ulimit -n {max(_ENOUGH, 2 * limit)}")
        return reached
    if errno.ENFILE in numbers:
        reached = BeepyError("open files: limit of the whole system reached (fs.file-max)")
        reached.add_note("sysctl fs.file-nr fs.file-max")
        return reached
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it came from."""
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
