"""How a run counts what a map that is shown loses: by code in its programs, else by others."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from beepy import map_types
from beepy.obj.spec import CollectionSpec, MapSpec, Tracked
from beepy.rewrite import losses
from beepy.rewrite.losses import Counted
from beepy.text import safe

EXACT: Final = "exact"
NOTHING: Final = "nothing"
KERNEL: Final = "kernel"
PROGRAMS: Final = "programs"
UNKNOWN: Final = "unknown"


class LossCount(NamedTuple):
    """``by`` is one of the words above, ``reason`` says why it is that one, "" if it is EXACT.

    EXACT: code that is added to programs counts each call that fails. NOTHING can be lost; KERNEL
    counts what a perf buffer loses, PROGRAMS count in a map of their own; or it is UNKNOWN.
    """

    by: str
    reason: str = ""


def of_maps(spec: CollectionSpec) -> Mapping[str, LossCount]:
    """Return how losses of each tracked map are counted, if the kernel takes the added code."""
    counted = losses.count(spec)
    unknown = losses.unknown_maps(counted, list(counted.reasons))
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    return {
        tracked.map: _of(maps[tracked.map], tracked, counted, uncounted=tracked.map in unknown)
        for tracked in spec.tracked
    }


def _of(map_spec: MapSpec, tracked: Tracked, counted: Counted, *, uncounted: bool) -> LossCount:
    name = map_spec.name
    kind = map_types.of(map_spec.type)
    if name in counted.evicting:
        return LossCount(UNKNOWN, "the kernel drops entries by itself to make room for new ones")
    if uncounted:
        why = ", ".join(dict.fromkeys(_reasons(name, counted)))
        if tracked.lost_in:
            return LossCount(PROGRAMS, f"in map '{safe(tracked.lost_in)}': {why}")
        return LossCount(KERNEL if kind.counts_loss else UNKNOWN, why)
    if not kind.is_stream and not any(site.map in {name, ""} for site in counted.sites):
        return LossCount(NOTHING, "no call stores an entry for which there may be no room")
    return LossCount(EXACT)


def _reasons(name: str, counted: Counted) -> Iterator[str]:
    """Yield why programs that write to a map, or may, do not count."""
    for site in counted.sites:
        if site.map in {name, ""} and site.program in counted.reasons:
            yield counted.reasons[site.program]
