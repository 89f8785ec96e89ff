"""Small objects that would cost much: each ends like any mutant, within its memory and time."""

from functools import partial
from random import Random
from typing import Final

import pytest

from beepy.obj.elf import MAX_FILE
from tests.support import bombs, bombs_of_code, bombs_of_many, exercise, measured
from tests.support.objects import Object

EMPTY: Final = Object().btf.data()


def test_bombs_do_not_go_off() -> None:
    sets = (bombs.BOMBS, bombs_of_many.BOMBS, bombs_of_code.BOMBS)
    made = [(bomb.__name__, bomb().data()) for group in sets for bomb in group]
    assert max([len(data) for _, data in made]) <= MAX_FILE
    wrong = []
    for outcome in measured.run(
        range(len(made)),
        lambda at: partial(exercise.of_object, made[at][1], EMPTY, Random(at)),
        chunk=1,
    ):
        name, data = made[outcome.job]
        used = f"{outcome.seconds:.2f} s, {outcome.memory >> 20} MiB"
        told = f"{name:34}{len(data):8} bytes: {used:>16}: {' '.join(outcome.told)}"
        print(told)
        if outcome.wrong:
            wrong.append(told)
    assert not wrong, "\n".join(wrong)


def test_jobs_beyond_their_limits_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "CPU", 0.2)

    def endless() -> list[str]:
        while True:
            pass

    def large() -> list[str]:
        return [f"{len(bytes(8 * measured.MEMORY))} bytes"]

    def small() -> list[str]:
        return ["a result"]

    jobs = [small, endless, large, small]
    outcomes = {outcome.job: outcome for outcome in measured.run(range(4), jobs.__getitem__)}
    assert [outcomes[number].wrong for number in range(4)] == [False, True, True, False]
    assert outcomes[1].told == ["died", "SIGXCPU"]
    assert outcomes[2].told[0] == "MemoryError"
    assert outcomes[0].told == outcomes[3].told == ["a result"]
