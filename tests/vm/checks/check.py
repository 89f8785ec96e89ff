"""One row of the table, and where the compiled test programs stand."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from beepy.obj.spec import CollectionSpec
from beepy.source import parse

Failure = TypeVar("Failure", bound=Exception)

HERE: Final = os.environ.get("BEEPY_TEST_HERE", "")
"""The folder of the compiled programs if this is no guest, but the machine that the tests run on."""

OBJECTS: Final = Path(HERE or "/", "objects")
YES: Final = "yes"


class Skipped(Exception):  # noqa: N818 - no error
    """What a check needs and the guest has not."""


class Check(NamedTuple):
    """``objects`` are the programs of bpf/ that ``run`` needs compiled; ``seconds`` may pass before it has failed.

    ``kinds`` are the ways to attach that it shows: the rows of ``tests.vm.kinds``.
    """

    name: str
    run: Callable[[], str]
    objects: tuple[str, ...] = ()
    seconds: float = 150
    kinds: tuple[str, ...] = ()


def failure(kind: type[Failure], run: Callable[[], object]) -> Failure:
    """Return the error of that kind that ``run`` must raise (guests have no pytest: it takes seconds to import)."""
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def parsed(name: str) -> CollectionSpec:
    """Return a compiled program of bpf/."""
    return parse((OBJECTS / f"{name}.o").read_bytes(), name=name)
