"""What is known of a run before its first row."""

from typing import NamedTuple


class ImageAbout(NamedTuple):
    """An image that runs: its name as shown, its number of programs, and where they attached."""

    name: str
    programs: int
    targets: tuple[str, ...] = ()


class About(NamedTuple):
    """What runs: images, and the file of a recording (""); ``record`` begins the name of a new one.

    All texts are safe for a terminal.
    """

    images: tuple[ImageAbout, ...] = ()
    recording: str = ""
    metrics: str = ""
