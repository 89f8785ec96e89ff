"""What differs between kernels below the command line: limits, names, types, features."""

import resource
from typing import Final

from beepy.collection.load import load
from beepy.kernel import features
from beepy.kernel.host import release
from beepy.oci import lookup
from beepy.oci.options import Options
from beepy.source import parse
from tests.vm.checks.check import Check

_NO_MEMLOCK: Final = (5, 11, 0)  # 4 GB of memory cgroups
_COOKIE: Final = (5, 15, 0)
_SYSCALL_PROGRAMS: Final = (5, 14, 0)  # 79a7f8bdb159, "bpf: Introduce bpf_sys_bpf() helper and program type"
_PROG_GET_NEXT_ID, _MAP_GET_NEXT_ID, _OBJ_GET_INFO_BY_FD, _LINK_GET_NEXT_ID = 11, 12, 15, 31
RAW_TP = bytes(16)


def memlock() -> str:
    """Load under a limit of 64 KiB: it is raised where the kernel charges BPF's memory to it, and nowhere else."""
    small = 1 << 16
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (small, resource.RLIM_INFINITY))
    with load(parse(lookup.find("exitsnoop", Options()))):
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    assert (soft == small) == (release() >= _NO_MEMLOCK), soft
    return "left alone" if soft == small else "raised"


def probes() -> str:
    """Ask what the kernel can: no newer one lacks what an older one has."""
    assert features.charges_memlock() == (release() < _NO_MEMLOCK)
    assert features.has_bpf_cookie() == (release() >= _COOKIE)
    assert features.has_syscall_wrapper()
    return "cookie" if features.has_bpf_cookie() else "no cookie"


CHECKS: Final = (
    Check("RLIMIT_MEMLOCK", memlock),
    Check("probes", probes),
)
