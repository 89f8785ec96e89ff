"""What a gadget's tags say about the kernel and parameters: to be decided where it is loaded."""

from typing import NamedTuple


class Named(NamedTuple):
    """An expression, and the name of what it is for."""

    name: str
    text: str


class Conditions(NamedTuple):
    """Expressions of a gadget, in their order.

    ``defines`` are values that others use, ``asserts`` must be true, ``targets`` say where a
    program attaches. ``parameters`` are the variables that they may use.
    """

    defines: tuple[Named, ...]
    asserts: tuple[Named, ...]
    targets: tuple[Named, ...]
    parameters: tuple[str, ...]
