"""Small objects that would cost much: each ends like any mutant, within its memory and time."""

from functools import partial
from random import Random
from typing import Final

from beepy.obj.elf import MAX_FILE
from tests.support import bombs, bombs_of_many, exercise, measured
from tests.support.objects import Object

EMPTY: Final = Object().btf.data()


def test_bombs_do_not_go_off() -> None:
    made = [(bomb.__name__, bomb().data()) for bomb in (*bombs.BOMBS, *bombs_of_many.BOMBS)]
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
