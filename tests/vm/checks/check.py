"""One row of the table, and where the compiled test programs stand."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from beepy.obj.spec import CollectionSpec
from beepy.source import parse

OBJECTS: Final = Path("/objects")
YES: Final = "yes"


class Check(NamedTuple):
    """``objects`` are the programs of bpf/ that ``run`` needs compiled; ``seconds`` may pass before it has failed."""

    name: str
    run: Callable[[], str]
    objects: tuple[str, ...] = ()
    seconds: float = 40


def parsed(name: str) -> CollectionSpec:
    """Return a compiled program of bpf/."""
    return parse((OBJECTS / f"{name}.o").read_bytes(), name=name)
