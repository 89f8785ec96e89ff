import pytest

from beepy.kernel import features
from beepy.kernel.features import charges_memlock
from beepy.kernel.host import release
from beepy.since import helper, order
from beepy.uapi import HELPERS
from tests.support import child

pytestmark = pytest.mark.kernel


def test_the_probe_of_memory_accounting_agrees_with_the_release() -> None:
    assert charges_memlock() == (release() < (5, 11, 0))


def test_a_refused_call_raises_no_limit_where_none_counts() -> None:
    told = child.run(
        """
import errno, resource
from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel import features, map as maps, syscall
from tests.support.seccomp import refuse

assert features.charges_memlock() is False
before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
refuse(syscall._numbers().bpf, errno.EPERM, first_argument=uapi.Cmd.MAP_CREATE)
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
from beepy.kernel import features, syscall
from tests.support.seccomp import refuse

hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, hard))
refuse(syscall._numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.PROG_LOAD)
print(features.raise_memlock(), features.raise_memlock())
soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
print(soft in (hard, resource.RLIM_INFINITY))
"""
    )
    assert told == "True True\nTrue\n"


def test_every_helper_up_to_the_last_one_is_known() -> None:
    last = max(number for number in range(1, 400) if features.knows_helper(number))
    assert last >= 155  # redirect_peer, v5.10
    assert all(features.knows_helper(number) for number in range(1, last + 1))
    newest = HELPERS[last] if last < len(HELPERS) else ""
    assert order(helper(last)) <= release()[:2], newest


def test_old_abilities_are_there() -> None:
    assert features.takes_attach_types()
    assert features.taken_name(b"a.b") == b"a.b"
    assert features.taken_name(b"a-b") == b""
