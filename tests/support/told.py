"""The messages of the command line about an error."""

from beepy.errors import typed


def message(error: BaseException) -> str:
    """Return the error's message, with options that can be typed."""
    return typed(error)


def notes(error: BaseException) -> list[str]:
    """Return the error's advice, with options that can be typed."""
    return [typed(note) for note in getattr(error, "__notes__", [])]
