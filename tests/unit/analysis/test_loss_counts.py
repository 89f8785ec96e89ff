"""How it is described that a run counts what a map loses."""

import pytest

from beepy.analysis import loss_counts
from beepy.analysis.loss_counts import EXACT, KERNEL, NOTHING, PROGRAMS, UNKNOWN, LossCount
from beepy.btf.types import TypeId
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, MapRef, MapSpec, ProgramSpec, Tracked
from beepy.uapi import HELPERS, MapType
from tests.support.objects import EXIT
from tests.support.specs import program, spec

LOAD = (Insn(op.LD_IMM64, 1), Insn(0))
END_OF_FUNCTION = "program 'p': a function ends with a call"


def calling(helper: str, *after: Insn, register: int = 1) -> ProgramSpec:
    load = (LOAD[0]._replace(dst=register), LOAD[1])
    call = Insn(op.CALL, imm=HELPERS.index(helper))
    return program(*load, call, *after, refs=(MapRef(0, "m"),))


def of(kind: MapType, writer: ProgramSpec, tracked: Tracked | None = None) -> CollectionSpec:
    record = TypeId(kind in {MapType.RINGBUF, MapType.PERF_EVENT_ARRAY})
    shown = tracked or Tracked("m", None, record)
    return spec(MapSpec("m", ".maps", kind))._replace(programs=(writer,), tracked=(shown,))


@pytest.mark.parametrize(
    ("kind", "writer", "expected"),
    [
        (MapType.RINGBUF, calling("ringbuf_reserve", EXIT), LossCount(EXACT)),
        (MapType.PERF_EVENT_ARRAY, calling("perf_event_output", EXIT, register=2), EXACT),
        (MapType.HASH, calling("map_update_elem", EXIT), EXACT),
        (MapType.HASH, calling("map_lookup_elem", EXIT), NOTHING),
        (MapType.ARRAY, calling("map_update_elem", EXIT), EXACT),
        (MapType.LRU_HASH, calling("map_update_elem", EXIT), UNKNOWN),
        (MapType.RINGBUF, calling("ringbuf_output"), LossCount(UNKNOWN, END_OF_FUNCTION)),
        (
            MapType.PERF_EVENT_ARRAY,
            calling("perf_event_output", register=2),
            LossCount(KERNEL, END_OF_FUNCTION),
        ),
        (MapType.HASH, calling("map_update_elem"), LossCount(UNKNOWN, END_OF_FUNCTION)),
    ],
)
def test_how_losses_are_counted(
    kind: MapType, writer: ProgramSpec, expected: LossCount | str
) -> None:
    count = loss_counts.of_maps(of(kind, writer))["m"]
    assert expected in (count, count.by)
    assert bool(count.reason) == (count.by != EXACT)


def test_programs_may_count_themselves() -> None:
    tracked = Tracked("m", None, TypeId(1), lost_in="lost\x1b")
    described = loss_counts.of_maps(of(MapType.RINGBUF, calling("ringbuf_output"), tracked))
    assert described["m"] == LossCount(PROGRAMS, rf"in map 'lost\x1b': {END_OF_FUNCTION}")
    ends_well = calling("ringbuf_output", EXIT)
    assert loss_counts.of_maps(of(MapType.RINGBUF, ends_well, tracked))["m"] == LossCount(EXACT)


def test_only_maps_that_are_shown_have_a_count() -> None:
    hidden = of(MapType.RINGBUF, calling("ringbuf_output", EXIT))._replace(tracked=())
    assert loss_counts.of_maps(hidden) == {}
