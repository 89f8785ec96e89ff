"""One row of the table, and where the compiled test programs stand."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from beepy.obj.spec import CollectionSpec
from beepy.source import parse

Failure = TypeVar("Failure", bound=Exception)

HERE: Final = os.environ.get("BEEPY_TEST_HERE", "")
"""The directory of the compiled programs on the machine that runs the tests, "" in a guest."""

OBJECTS: Final = Path(HERE or "/", "objects")
YES: Final = "yes"


class Skipped(Exception):  # noqa: N818 - no error
    """What a check needs and the guest has not."""


class Check(NamedTuple):
    """A check: ``run`` needs these ``objects`` of bpf/ compiled, and may take ``seconds``.

    ``kinds`` are the ways to attach that it shows: the rows of ``tests.vm.kinds``.
    """

    name: str
    run: Callable[[], str]
    objects: tuple[str, ...] = ()
    seconds: float = 150
    kinds: tuple[str, ...] = ()


def failure(kind: type[Failure], run: Callable[[], object]) -> Failure:
    """Return the error of this class that ``run`` must raise (guests have no pytest: too slow)."""
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def parsed(name: str) -> CollectionSpec:
    """Return a compiled program of bpf/."""
    return parse((OBJECTS / f"{name}.o").read_bytes(), name=name)
