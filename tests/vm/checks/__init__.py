"""TABLE: the checks for every kernel. A new one is a function in one of the files, and a row.

A check runs in a process of its own, as root, in a guest without network. It returns what the table
of results shall say; a failed assertion, or any other error, is a failure. A kernel that cannot do
a thing must say so itself: the check returns the reason, and asserts that no newer kernel gives it.
"""

from typing import Final

from tests.vm.checks import (
    age,
    attach,
    beside,
    examples,
    formats,
    functions,
    groups,
    images,
    kernel,
    maps,
    network,
    probes,
    rewritten,
    tables,
)
from tests.vm.checks.check import Check

TABLE: Final[tuple[Check, ...]] = (
    *images.CHECKS,
    *examples.CHECKS,
    *beside.CHECKS,
    *attach.CHECKS,
    *probes.CHECKS,
    *formats.CHECKS,
    *functions.CHECKS,
    *groups.CHECKS,
    *network.CHECKS,
    *tables.CHECKS,
    *maps.CHECKS,
    *rewritten.CHECKS,
    *age.CHECKS,
    *kernel.CHECKS,
)
