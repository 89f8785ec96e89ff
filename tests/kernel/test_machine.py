"""Facts about this machine."""

import os

from beepy.host.machine import possible_cpus, release


def test_cpus_are_as_sysfs_lists_them() -> None:
    assert possible_cpus() >= (os.cpu_count() or 1)


def test_the_release_is_this_kernel_s() -> None:
    assert release() >= (5, 0, 0)
