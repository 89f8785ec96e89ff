import pytest

from tests.support import child

pytestmark = pytest.mark.kernel


def test_a_refused_call_raises_no_limit_where_none_counts() -> None:
    told = child.run(
        """
import errno, resource
from beepy import uapi
from beepy.errors import KernelError
from beepy.features import Feature
from beepy.kernel import features, map as maps
from beepy.sys import call
from tests.support.seccomp import refuse

assert features.has(Feature.MEMCG_ACCOUNT)
before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
refuse(call.numbers().bpf, errno.EPERM, first_argument=uapi.Cmd.MAP_CREATE)
try:
    maps.create(uapi.MapType.ARRAY, "a", 4, 4, 1)
except KernelError as error:
    print(error, resource.getrlimit(resource.RLIMIT_MEMLOCK) == before)
"""
    )
    assert told == "map 'a': create: operation not permitted (EPERM) True\n"


def test_the_limit_is_raised_where_it_counts() -> None:
    """As before v5.11: the probe's program is refused (seccomp says it here)."""
    told = child.run(
        """
import errno, resource
from beepy import uapi
from beepy.kernel import memlock
from beepy.sys import call
from tests.support.seccomp import refuse

hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, hard))
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.PROG_LOAD)
print(memlock.raise_limit(), memlock.raise_limit())
soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
print(soft in (hard, resource.RLIM_INFINITY))
"""
    )
    assert told == "True True\nTrue\n"
