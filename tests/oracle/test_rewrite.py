"""Programs into which beepy has inserted something load, and do, as before.

Every object of this tier, its programs with no-ops at random places; ``make soak`` does it 50
times.
"""

import random
from collections import Counter

import pytest

from beepy.errors import BeepyError
from beepy.obj.insn import EXIT, GOTO, GOTO_LONG, Insn, jumps
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.rewrite import edit
from beepy.rewrite.edit import Code, ReachedBy
from tests import soak
from tests.oracle.comparison import Families
from tests.support.passes import Outcomes
from tests.support.verdicts import verdicts

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


def test_every_pass(family: str, families: Families, capsys: pytest.CaptureFixture[str]) -> None:
    """Every program counts what it may lose, and can be left to some processes alone."""
    outcomes = Outcomes()
    for spec in specs(family, families):
        outcomes.add(spec)
    with capsys.disabled():
        print(f"\n{family}: {outcomes}", *outcomes.wrong, sep="\n")
    assert not outcomes.wrong
