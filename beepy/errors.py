"""Every exception that beepy raises on purpose, one tree, drawn by who is at fault.

::

    BeepyError
    ├── ImageError                 the image, or the way to it
    │   ├── InvalidReference       not a reference by distribution's grammar
    │   ├── ImageNotFound          no file, store, bundle or registry has it
    │   ├── UnsupportedImage       a manifest of no known format, or of no fitting platform
    │   ├── DigestMismatch         bytes are not what their digest or size says
    │   ├── RegistryError          the registry refused, lied, leaked or was silent
    │   └── StoreError             the local store is unreadable, locked or not a store
    ├── ObjectError                the ELF object
    │   ├── ElfError               headers, sections, symbols, relocations, map definitions
    │   ├── BtfError               .BTF and .BTF.ext, the object's or the kernel's
    │   └── UnsupportedSection     a SEC() that libbpf does not know
    ├── RelocationError            a CO-RE relocation or an extern that nothing satisfies
    ├── KernelError (OSError)      the kernel refused
    │   ├── VerifierError          ... the program, with the verifier's log
    │   ├── NotSupported           ... because it lacks a feature
    │   └── AttachError            ... to attach
    │       └── TargetError        ... to a target that is not written as programs of this section take it
    ├── DecodeError                a record does not fit its type
    ├── OutputError                port in use, closed file, full disk
    └── UsageError                 the command line; exit code 2

A message is one line, lower case, no full stop: *where: what: why*. Advice goes into a note (``add_note``), which names
the command line's options: ``typed`` returns it so, and in ``__notes__`` stand Python's keyword arguments instead.
"""

from errno import EINVAL


class BeepyError(Exception):
    """Root of the tree; ``str()`` is one line for the user, ``__notes__`` is advice."""

    def add_note(self, note: str) -> None:
        """Add advice, see ``worded``."""
        super().add_note(worded(note))


class ImageError(BeepyError):
    """The image, or the way to it."""


class InvalidReference(ImageError):  # noqa: N818 - names without "Error" read as what they say
    """Text that is not an image reference."""


class ImageNotFound(ImageError):  # noqa: N818
    """Nobody who was asked has the image."""


class UnsupportedImage(ImageError):  # noqa: N818
    """A manifest of no known format, or without a fitting platform."""


class DigestMismatch(ImageError):  # noqa: N818
    """Bytes are not what their digest or size says."""


class RegistryError(ImageError):
    """A registry refused, answered wrongly, or was silent."""


class StoreError(ImageError):
    """The local store cannot be read or written."""


class ObjectError(BeepyError):
    """The ELF object."""


class ElfError(ObjectError):
    """A malformed or unsupported ELF file."""


class BtfError(ObjectError):
    """Malformed type information."""


class UnsupportedSection(ObjectError):  # noqa: N818
    """A program section that is unknown to libbpf."""


class RelocationError(BeepyError):
    """A relocation that the kernel's types, or the object's symbols, do not satisfy."""


class KernelError(BeepyError, OSError):
    """The kernel refused; ``errno`` tells how (0: not a system call's failure)."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


class VerifierError(KernelError):
    """The verifier refused a program; ``log`` is its whole log."""

    def __init__(self, message: str, errno: int = 0, log: str = "") -> None:
        super().__init__(message, errno)
        self.log = log


class NotSupported(KernelError):  # noqa: N818
    """This kernel lacks ``feature``; ``since`` is the first kernel that has it ("" = unknown)."""

    def __init__(self, message: str, errno: int = 0, feature: str = "", since: str = "") -> None:
        super().__init__(message, errno)
        self.feature = feature
        self.since = since


class AttachError(KernelError):
    """The kernel refused to attach a program."""


class TargetError(AttachError):
    """The text of a target is not written as ``program``'s section takes it: its own, or what --attach gave."""

    def __init__(self, message: str, program: str) -> None:
        super().__init__(message, EINVAL)
        self.program = program


class DecodeError(BeepyError):
    """A record does not fit its type."""


class OutputError(BeepyError):
    """A port in use, a closed file, a full disk."""


class UsageError(BeepyError):
    """The command line asks for something that does not exist or does not fit."""


def worded(text: str) -> str:
    """Return a text that names options of the command line with Python's keywords in their place, see ``typed``."""
    if "--" not in text and not text.startswith(("-", "beepy ")) and " from -" not in text:
        return text
    try:
        from beepy.wording import Wording  # noqa: PLC0415 - few messages name an option
    except (ImportError, OSError):  # where no file can be opened any more, that is what the error is about
        return text
    return text if isinstance(text, Wording) else Wording(text)


def typed(text: object) -> str:
    """Return an error's message, or one of its notes, as the command line has it: with options that can be typed."""
    if isinstance(text, BeepyError) and text.args:
        text = text.args[0]
    return getattr(text, "typed", None) or str(text)
