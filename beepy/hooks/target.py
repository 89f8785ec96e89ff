"""Where a program is to be attached."""

from typing import NamedTuple


class Target(NamedTuple):
    """``name`` is the SEC() text after the prefix and its slash, "" where there is none."""

    name: str
