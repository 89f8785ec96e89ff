"""Attach programs of a test object: what they counted, or the reason why this kernel cannot."""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.hooks import Target
from beepy.host import kconfig
from beepy.host.machine import release
from beepy.obj.spec import CollectionSpec, DataRef, MapRef, Value
from tests.vm.checks.check import HERE, parsed

SEEN: Final = "seen"
RUN: Final = "run by PROG_TEST_RUN"

_FALLBACKS: Final = (": no ", ": this kernel has no PMU ")
_NOTHING: Mapping[str, Value] = {}


class Requirements(NamedTuple):
    """What a kernel must have: a release, an option of its configuration (``CONFIG_``...)."""

    since: tuple[int, int] = (0, 0)
    option: str = ""

    def met(self) -> bool:
        return release() >= self.since and (
            not self.option or kconfig.options().get(self.option) in {"y", "m"}
        )


ALWAYS: Final = Requirements()


class _Told(logging.Handler):
    """Keeps what beepy says."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def telling() -> Iterator[list[str]]:
    """Yield the list of log messages of the block, for ``seen``."""
    told = _Told()
    log = logging.getLogger("beepy")
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(told)
    try:
        yield told.texts
    finally:
        log.removeHandler(told)
        log.setLevel(before)


def seen(told: list[str]) -> str:
    """Return the cell for an event that was seen, with the fallbacks that the log names."""
    fallbacks = [
        text.rpartition(": ")[2] for text in told if any(mark in text for mark in _FALLBACKS)
    ]
    return ", ".join([SEEN, *dict.fromkeys(fallbacks)])


def excused(error: KernelError, needs: Requirements) -> str:
    """Return the kernel's reason, if it truly lacks what is needed; raise it if not.

    The machine that the tests run on may forbid what it has: guests show that.
    """
    if needs.met() and not (HERE and error.errno in {errno.EPERM, errno.EACCES}):
        raise error
    return str(error).partition(": ")[2].removeprefix("load: ")


def reason(name: str, needs: Requirements) -> str:
    """Return why this kernel cannot attach an object, "" if it must."""
    if needs.met() and not HERE:
        return ""
    try:
        with load(parsed(name)) as collection:
            collection.attach()
    except KernelError as error:
        return excused(error, needs)
    return ""


def alone(spec: CollectionSpec, *programs: str) -> CollectionSpec:
    """Return the object with only these programs and their maps: old kernels lack map types."""
    chosen = tuple([one for one in spec.programs if one.name in programs])
    used = {ref.map for one in chosen for ref in one.refs if isinstance(ref, MapRef | DataRef)}
    return spec._replace(
        programs=chosen,
        maps=tuple(
            [
                one
                for one in spec.maps
                if one.name in used or one.name not in {"devices", "processors"}
            ]
        ),
        variables=tuple([one for one in spec.variables if one.map in used]),
    )


def hits(collection: Collection, row: int) -> int:
    return int.from_bytes(
        collection.maps["hits"].lookup(row.to_bytes(4, "little")) or b"", "little"
    )


class Counted(NamedTuple):
    """Programs by their rows of ``hits``; each must count ``least`` times when it is provoked."""

    source: str
    rows: Mapping[str, int]
    target: Target | None = None
    least: int = 1
    variables: Mapping[str, Value] = _NOTHING

    def show(self, provoke: Callable[[Collection], object], needs: Requirements = ALWAYS) -> str:
        """Attach them, and provoke them: they count, and none runs any more once they are detached.

        Return that they were seen, and how they were attached; or the kernel's reason why not.
        """
        targets = dict.fromkeys(self.rows, self.target) if self.target else {}
        given = {name: target for name, target in targets.items() if target}
        spec = alone(parsed(self.source), *self.rows)
        try:
            with (
                telling() as told,
                load(spec, targets=given, variables=self.variables) as collection,
            ):
                collection.attach()
                provoke(collection)
                counted = {name: hits(collection, row) for name, row in self.rows.items()}
                assert all(count >= self.least for count in counted.values()), counted
                collection.detach()
                provoke(collection)
                assert counted == {name: hits(collection, row) for name, row in self.rows.items()}
        except KernelError as error:
            return excused(error, needs)
        return seen(told)
