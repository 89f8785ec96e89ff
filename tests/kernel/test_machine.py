"""Read facts about the machine on which the tests run."""

import os

from beepy.host.machine import possible_cpus, release


def test_there_are_at_least_as_many_possible_cpus_as_python_counts() -> None:
    assert possible_cpus() >= (os.cpu_count() or 1)


def test_the_release_of_the_running_kernel() -> None:
    assert release() >= (5, 0, 0)
