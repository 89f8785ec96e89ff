from itertools import product

import pytest

from beepy.maps.runs import run_length


@pytest.mark.parametrize("most", [1, 2, 15, 16, 17, 255, 256, 257, 4000])
def test_runs_of_every_length(most: int) -> None:
    for known in {1, min(2, most), most // 2, most - 1, most} - {0}:
        things = [1] * known + [2] * (most - known)

        def equal(low: int, high: int, things: list[int] = things) -> bool:
            assert 0 < low < high <= most
            return things[low:high] == things[low - 1 : high - 1]

        assert run_length(most, equal) == known


def test_only_the_first_run_counts() -> None:
    for things in product([1, 2], repeat=8):
        row = list(things)
        expected = next((at for at, item in enumerate(row) if item != row[0]), len(row))

        def equal(low: int, high: int, row: list[int] = row) -> bool:
            return row[low:high] == row[low - 1 : high - 1]

        assert run_length(8, equal) == expected
