"""Write what programs print to stderr."""

from collections.abc import Callable
from typing import Final

from beepy.cli.stdio import eprint
from beepy.text import excerpt, safe
from beepy.trace.lines import TraceLine

_MAX_TEXT: Final = 4096  # characters of a line


def printer(*, names_images: bool) -> Callable[[TraceLine], None]:
    """Return a function that writes a line; ``names_images``: with the image of its program."""
    return lambda line: eprint(text_of(line, names_images=names_images))


def text_of(line: TraceLine, *, names_images: bool) -> str:
    """Return a line as it is written: ``trace: program 'say' (bash-2375): hello``."""
    image = f"{safe(line.image)}: " if names_images and line.image else ""
    program = f"program '{safe(line.program)}'" if line.program else "unknown program"
    process = f" ({safe(line.process)})" if line.process else ""
    return f"trace: {image}{program}{process}: {excerpt(line.text, _MAX_TEXT)}"
