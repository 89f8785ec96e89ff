"""The exceptions that beepy raises: one tree, by who is at fault.

::

    BeepyError
    ├── ImageError                 the image, or the way to it
    │   ├── InvalidReference       not a reference by distribution's grammar
    │   ├── ImageNotFound          not in any file, store or registry
    │   ├── UnsupportedImage       unknown manifest format, or no matching platform
    │   ├── DigestMismatch         content does not match its digest or size
    │   ├── UntrustedImage         not signed as asked, or refused by the policy
    │   ├── RegistryError          the registry refused, answered wrongly or did not answer
    │   └── StoreError             the local store is unreadable, locked or not a store
    ├── ObjectError                the ELF object
    │   ├── ElfError               headers, sections, symbols, relocations, map definitions
    │   ├── BtfError               .BTF and .BTF.ext, the object's or the kernel's
    │   ├── RewriteError           code that a pass of beepy cannot change
    │   └── UnsupportedSection     a SEC() that libbpf does not know
    ├── RelocationError            a CO-RE relocation or extern that cannot be resolved
    ├── KernelError (OSError)      the kernel refused
    │   ├── VerifierError          ... the program, with the verifier's log
    │   ├── NotSupported           ... because it lacks a feature
    │   └── AttachError            ... to attach
    │       └── TargetError        ... the target's text is malformed for this section
    ├── DecodeError                a record does not fit its type
    ├── OutputError                port in use, closed file, full disk
    ├── OverheadError              the programs cost more than was allowed; exit code 4
    ├── BuildError                 a source that cannot be compiled, or lacks a program for that
    └── UsageError                 the command line; exit code 2

A message is one line, lower case, no full stop: *where: what: why*. Advice goes into a note
(``add_note``). Both name options of the command line; ``__notes__`` and ``str()`` show a Python
program its keyword arguments instead, and ``typed`` returns what can be typed.
"""

import os
from collections.abc import Callable
from errno import EINVAL, errorcode
from typing import Final, Self, TypeVar

ENOTSUPP: Final = 524
"""A kernel-internal errno (include/linux/errno.h) that C libraries do not define."""

_Error = TypeVar("_Error", bound=Exception)


def errno_text(number: int) -> str:
    """Return the text and the name of an errno: "permission denied (EACCES)"."""
    if number == ENOTSUPP:
        return "operation not supported (ENOTSUPP)"
    text = os.strerror(number)
    return f"{text[:1].lower()}{text[1:]} ({errorcode.get(number, number)})"


def restated(new: _Error, error: BaseException) -> _Error:
    """Return ``new``, to be raised in place of ``error``, with the notes of ``error``."""
    for note in getattr(error, "__notes__", ()):
        new.add_note(note)
    return new


def as_usage_error(error: "BeepyError", change: Callable[[str], str] = str) -> "UsageError":
    """Return a UsageError with the message and the notes of ``error``.

    ``change`` gets their texts in the words of the command line.
    """
    usage = UsageError(worded(change(typed(error))))
    for note in getattr(error, "__notes__", ()):
        usage.add_note(change(typed(note)))
    return usage


class BeepyError(Exception):
    """Root of the tree; ``str()`` is one line for the user, ``__notes__`` are advice."""

    def add_note(self, note: str) -> None:
        """Add advice, see ``worded``."""
        super().add_note(worded(note))


class ImageError(BeepyError):
    """An image cannot be found, fetched or read."""


class InvalidReference(ImageError):  # noqa: N818 - the names read better without "Error"
    """A text that is not an image reference."""


class ImageNotFound(ImageError):  # noqa: N818
    """The image is not in any place that was searched."""


class UnsupportedImage(ImageError):  # noqa: N818
    """The manifest has an unknown format or no matching platform."""


class DigestMismatch(ImageError):  # noqa: N818
    """Content does not match its digest or size."""


class UntrustedImage(ImageError):  # noqa: N818
    """The image is not signed as the user asks, or the policy refuses it."""


class RegistryError(ImageError):
    """A registry refused, answered wrongly, or did not answer."""


class StoreError(ImageError):
    """The local store cannot be read or written."""


class ObjectError(BeepyError):
    """An ELF object cannot be read."""


class ElfError(ObjectError):
    """A malformed or unsupported ELF file."""


class BtfError(ObjectError):
    """Malformed type information."""


class RewriteError(ObjectError):
    """A program into which no code can be inserted."""


class UnsupportedSection(ObjectError):  # noqa: N818
    """A program section that is unknown to libbpf."""


class RelocationError(BeepyError):
    """A relocation that the kernel's types or the object's symbols cannot resolve."""


class KernelError(BeepyError, OSError):
    """The kernel refused; ``errno`` is that of the system call, 0 if none failed."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno

    @classmethod
    def of(cls, where: str, failure: OSError | int) -> Self:
        """Return the error of a failed system call: ``where: permission denied (EACCES)``."""
        number = failure if isinstance(failure, int) else failure.errno or 0
        return cls(f"{where}: {errno_text(number)}", number)


class VerifierError(KernelError):
    """The verifier refused a program; ``log`` is its complete log."""

    def __init__(self, message: str, errno: int = 0, log: str = "") -> None:
        super().__init__(message, errno)
        self.log = log


class NotSupported(KernelError):  # noqa: N818
    """This kernel lacks ``feature``; ``since`` is its first release, "" if unknown."""

    def __init__(self, message: str, errno: int = 0, feature: str = "", since: str = "") -> None:
        super().__init__(message, errno)
        self.feature = feature
        self.since = since


class AttachError(KernelError):
    """The kernel refused to attach a program."""

    @classmethod
    def wrap(cls, error: KernelError, where: str = "") -> Self:
        """Return ``error`` as an AttachError, with its errno and notes.

        The message is that of ``error``, after ``where`` if that is given.
        """
        message = f"{where}: {error}" if where else str(error)
        return restated(cls(message, error.errno or 0), error)


class TargetError(AttachError):
    """The target of ``program``, from its section or from --attach, is malformed."""

    def __init__(self, message: str, program: str) -> None:
        super().__init__(message, EINVAL)
        self.program = program


class DecodeError(BeepyError):
    """A record does not fit its type."""


class OutputError(BeepyError):
    """A port in use, a closed file, a full disk."""


class OverheadError(BeepyError):
    """The programs took more of a CPU than was allowed; they are detached."""


class BuildError(BeepyError):
    """A C source cannot be compiled, or a program or header that this needs is missing."""


class RecordingError(BeepyError):
    """A file that is not a recording, or a damaged one."""


class UsageError(BeepyError):
    """An argument names something that does not exist, or has a value that does not fit."""


def worded(text: str) -> str:
    """Return ``text`` with options of the command line in Python's words, see ``typed``."""
    if "--" not in text and not text.startswith(("-", "beepy ")) and " from -" not in text:
        return text
    try:
        from beepy.wording import Wording  # noqa: PLC0415 - few messages name an option
    except (ImportError, OSError):  # the error may be that no file can be opened any more
        return text
    return text if isinstance(text, Wording) else Wording(text)


def typed(text: object) -> str:
    """Return an error's message, or one of its notes, in the words of the command line."""
    if isinstance(text, BeepyError) and text.args:
        text = text.args[0]
    return getattr(text, "typed", None) or str(text)
