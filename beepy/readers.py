"""What is read of a loaded collection: a reader for each map that is shown, and each iterator."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from beepy import hooks, map_types, maps
from beepy.collection.collection import Collection
from beepy.collection.losses import Losses
from beepy.events import schemas
from beepy.events.batch import Machine, Reader, no_frames, no_name
from beepy.host.machine import possible_cpus
from beepy.log import Log
from beepy.maps.counted import CountedReader, count_in
from beepy.text import safe
from beepy.uapi import MapType

if TYPE_CHECKING:
    from beepy.collection.cgroup_ids import CgroupWatch  # few maps are filled

_log = Log(__name__)

_OF_MAPS: Final = ("kernel_stack", "user_stack", "user_symbols")  # functions of Machine


def of(collection: Collection, losses: Losses) -> Iterator[Reader]:
    """Yield a reader for each tracked map and each iterator."""
    machine = cache(lambda: _machine(collection))
    has_stacks = any(held.type == MapType.STACK_TRACE for held in collection.maps.values())
    names = machine if has_stacks else cache(_names)
    for tracked in collection.spec.tracked:
        tracked_map = collection.maps[tracked.map]
        cpus = possible_cpus() if map_types.of(tracked_map.type).is_percpu else 0
        schema = schemas.of_tracked(collection.spec, tracked, cpus)
        schema = schema._replace(
            kernel=collection.kernel_types,
            machine=machine() if schema.vocabulary else names(),
        )
        total = losses.of_map(tracked.map) if schema.is_stream else None
        if total is None and tracked.lost_in in collection.maps:
            total = count_in(collection.maps[tracked.lost_in])
        if total:
            schema = schema._replace(counts_loss=True)
        reader = maps.reader(tracked_map, schema)
        if reader is None:
            _log.warning(
                "map '%s': not shown: %s", safe(tracked.map), map_types.not_shown(tracked_map.type)
            )
            continue
        if not schema.is_stream:
            losses.tables.append((tracked.map, schema))
        if total:
            reader = CountedReader(reader, total)
            losses.rings.append(reader)
        yield reader
    for program in collection.programs.values():
        reader = hooks.reader(program, collection.target(program.name), collection.spec)
        if reader:
            if reader.schema.vocabulary:
                reader.schema = reader.schema._replace(
                    kernel=collection.kernel_types, machine=machine()
                )
            else:
                reader.schema = reader.schema._replace(machine=names())
            yield reader


def _machine(collection: Collection) -> Machine:
    """Return what this machine knows of numbers in records.

    Stacks are in maps of fixed names, or in the only map of stacks.
    """
    from beepy.enrich import symbols, user_symbols  # noqa: PLC0415 - only stacks need them
    from beepy.maps import stacks  # noqa: PLC0415 - as above

    known = symbols.Symbols()
    held = [each for each in collection.maps.values() if each.type == MapType.STACK_TRACE]
    only = held[0] if len(held) == 1 else None
    kernel, user = (collection.maps.get(name, only) for name in ("ig_kstack", "ig_ustack"))
    return _names()._replace(
        kernel_stack=stacks.text_of(kernel, known.function) if kernel else no_name,
        user_stack=stacks.text_of(user) if user else no_name,
        user_symbols=(
            stacks.user_text_of(user, user_symbols.UserSymbols().frame) if user else no_frames
        ),
        kernel_function=known.function,
    )


def _names() -> Machine:
    """Return what this machine knows without maps; each function imports what it needs."""

    @cache
    def known() -> Machine:
        from beepy.enrich import here  # noqa: PLC0415 - few outputs have names

        return here.machine()

    def later(name: str) -> Callable[[Any], Any]:
        def ask(about: Any) -> Any:  # noqa: ANN401 - as Machine has it
            return getattr(known(), name)(about)

        return ask

    functions: dict[str, Any] = {
        name: later(name) for name in Machine._fields if name not in _OF_MAPS
    }
    return Machine(**functions)


def watches(collections: Sequence[Collection]) -> "Iterator[CgroupWatch]":
    """Fill the maps of cgroups, and yield what keeps each up to date."""
    for collection in collections:
        config = collection.spec.exporter
        if config and config.cgroup_ids:
            from beepy.collection.cgroup_ids import CgroupWatch  # noqa: PLC0415 - few maps are filled

            yield CgroupWatch(collection, config.cgroup_ids)
