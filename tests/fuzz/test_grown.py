"""Objects grown by grammar: each ends in a result or in a BeepyError, soon (see ``campaign``)."""

from functools import partial
from random import Random
from typing import Final

import pytest

from tests import soak
from tests.support import campaign, exercise, grow
from tests.support.campaign import Case
from tests.support.exercise import RESULT

COUNT: Final = soak.times(10_000)


def _grown(rng: Random) -> Case:
    data = grow.grown(rng)
    return Case("object", data, partial(exercise.of_object, data, grow.types(rng), rng))


@pytest.mark.soak
@pytest.mark.timeout(soak.times(900))
def test_what_is_grown_ends_in_results_or_errors() -> None:
    table = campaign.run("grown", COUNT, _grown)
    assert table[RESULT, "object"] >= sum(table.values()) / 100
