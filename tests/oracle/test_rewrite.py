"""Programs into which beepy has inserted something load, and do, as before.

Every object of this tier, its programs with no-ops at random places; ``make soak`` does it 50
times.
"""

import random
from collections import Counter

import pytest

from beepy.btf.types import TypeId
from beepy.collection.load import load
from beepy.errors import BeepyError
from beepy.obj.insn import EXIT, GOTO, GOTO_LONG, Insn, jumps
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec, ProgramSpec, Tracked
from beepy.rewrite import edit, losses
from beepy.rewrite.edit import Code, ReachedBy
from beepy.uapi import MapType
from tests import soak
from tests.oracle.comparison import Families
from tests.support.verdicts import alone, verdicts

pytestmark = pytest.mark.soak

NOTHING = Code((Insn(GOTO),))


def specs(family: str, families: Families) -> list[CollectionSpec]:
    parsed = []
    for one in families.objects(family):
        try:
            parsed.append(parse(one.path.read_bytes(), str(one)))
        except BeepyError:  # other tests are about those
            continue
    return parsed


def ways_to(program: ProgramSpec) -> dict[int, list[ReachedBy]]:
    """Return how code before each instruction can be reached: the kernel refuses what cannot."""
    starts = {start for _, start in program.functions}
    ways: dict[int, list[ReachedBy]] = {}
    second = False
    jumped_to = {at + 1 + insn.off for at, insn in enumerate(program.insns) if jumps(insn.code)}
    falls = True
    for at, insn in enumerate(program.insns):
        if not second:
            ways[at] = [ReachedBy.BOTH]
            if falls or at in starts:
                ways[at].append(ReachedBy.FALL_THROUGH)
            if at in jumped_to and at not in starts:
                ways[at].append(ReachedBy.JUMPS)
            falls = insn.code not in (EXIT, GOTO, GOTO_LONG)
        second = insn.wide and not second
    return ways


@pytest.mark.parametrize("seed", range(soak.times(1)))
def test_no_ops(
    seed: int, family: str, families: Families, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(f"{family} {seed}")

    def with_no_ops(program: ProgramSpec) -> ProgramSpec:
        ways = ways_to(program)
        chosen = dice.sample(sorted(ways), min(len(ways), dice.randint(1, 12)))
        return edit.apply(
            program, [edit.insert(at, NOTHING, dice.choice(ways[at])) for at in chosen]
        )

    counts: Counter[str] = Counter()
    wrong = []
    for spec in specs(family, families):
        plain, changed = verdicts(spec), verdicts(spec, with_no_ops)
        assert plain.keys() == changed.keys()
        for name, before in plain.items():
            after = changed[name]
            where = f"{spec.name}: {name}: {before} -> {after}"
            if (not before.refused) != (not after.refused):
                counts["differ by size"] += after.of_size
                if after.of_size:
                    wrong.append(f"by size: {where}")
                else:
                    wrong.append(where)
                continue
            counts["refused" if before.refused else "loaded"] += 1
            if before.result:
                counts["ran"] += 1
                if before.result != after.result:
                    wrong.append(where)
    with capsys.disabled():
        print(f"\n{family}: {dict(counts)}", *wrong, sep="\n")
    assert [line for line in wrong if not line.startswith("by size")] == []


def test_counting_losses(
    family: str, families: Families, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every program with a call that may lose something counts, and is accepted as before."""
    counts: Counter[str] = Counter()
    wrong = []
    for spec in specs(family, families):
        shown = with_all_maps_shown(spec)
        counted = losses.count(shown)
        counts["left alone"] += len(counted.reasons)
        counts["calls"] += len(counted.sites)
        counts["calls with a map that is not known"] += sum(not site.map for site in counted.sites)
        for program in spec.loaded:
            if program.name not in counted.counting:
                continue
            one = alone(shown, program)
            try:
                with load(one):
                    pass
            except BeepyError:
                counts["refused as it is"] += 1
                continue
            try:
                with load(one, count_losses=True) as collection:
                    assert collection.forms
                    for name, reason in collection.forms.uncounted.items():
                        wrong.append(f"{spec.name}: {name}: {reason}")
                    counts["fallen back" if collection.forms.uncounted else "rewritten"] += 1
            except BeepyError as error:
                counts["refused"] += 1
                wrong.append(f"{spec.name}: {error}")
    with capsys.disabled():
        print(f"\n{family}: {dict(counts)}", *wrong, sep="\n")
    assert not wrong


def with_all_maps_shown(spec: CollectionSpec) -> CollectionSpec:
    """Return the object as if each of its maps were shown."""
    streams = (MapType.RINGBUF, MapType.PERF_EVENT_ARRAY)
    shown = [
        Tracked(map_spec.name, None, TypeId(map_spec.type in streams))
        for map_spec in spec.maps
        if map_spec.contents is None and map_spec.type != MapType.STRUCT_OPS
    ]
    return spec._replace(tracked=tuple(shown))
