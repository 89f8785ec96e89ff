"""The forms of a program to load, in order: those that count losses, then the object's own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from beepy.collection.plan import Plan, Planned
from beepy.errors import KernelError
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.obj.spec import CollectionSpec
from beepy.rewrite import losses
from beepy.rewrite.losses import Counted
from beepy.text import safe

_log = Log(__name__)


class Forms:
    """Which form of each program the kernel accepts.

    ``plan`` plans an object; it is called for programs that the kernel does not take with counting
    code. ``uncounted`` has the programs that do not count, with the reason.
    """

    def __init__(self, counted: Counted, plan: Callable[[CollectionSpec], Plan]) -> None:
        self.counted = counted
        self.uncounted = dict(counted.reasons)
        self._plan = plan
        for reason in self.uncounted.values():
            _log.info("losses are not counted: %s", reason)

    def freeze(self, maps: Mapping[str, Map]) -> None:
        """Let nobody but programs write to the counters."""
        counters = maps.get(losses.MAP)
        if counters:
            with suppress(KernelError):  # before v5.2, which does not take counting code either
                counters.freeze()

    def of(self, planned: Planned) -> Iterator[Planned]:
        """Yield the forms of a program; the last one is the object's own, and counts nothing.

        The first is the one for kernels before v6.12, and needs CAP_PERFMON, which the second does
        not.
        """
        yield planned
        program = planned.spec
        if program.name in self.counted.counting:
            with_equality = losses.with_equality(program)
            if with_equality != program:
                yield planned._replace(spec=with_equality)
            original = self.counted.original
            programs = tuple([other for other in original.programs if other.name == program.name])
            yield from self._plan(original._replace(programs=programs)).programs

    def accept(self, planned: Planned, refused: KernelError | None) -> None:
        """Note the form that the kernel has accepted; ``refused`` is why it refused another."""
        name = planned.spec.name
        if name in self.counted.counting and refused and not losses.counts(planned.spec):
            where = f"program '{safe(name)}': "
            self.uncounted[name] = str(refused).removeprefix(where)
            _log.info("%slosses are not counted: %s", where, self.uncounted[name])
