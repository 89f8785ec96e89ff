"""The containers of packages: root with nothing but the capabilities that their needs name."""

import re
import shutil

import pytest

from beepy.inspection import inspect
from beepy.manifest.needs import Needs, of_objects
from beepy.oci.lookup import bundled_store
from tests.support import apart
from tests.support.command import Beepy, Done

pytestmark = pytest.mark.kernel

NAMES = bundled_store().names()
ARGUMENTS = {"xdpcount": ("--iface", "lo")}
LACKED = re.compile(r"beepy: .*this kernel has no(ne)? .*")
OPTIONS = ("-o", "none", "--no-metrics", "--timeout", "1ms")
# as a runtime does: tracefs is there, and read-only, if the needs have it
MOUNT = """
while mountpoint -q /sys/kernel/tracing; do umount -R /sys/kernel/tracing; done
mount -t tracefs -o ro tracefs /sys/kernel/tracing
"""


def run(beepy: Beepy, name: str, needs: Needs, capabilities: list[str]) -> Done:
    bounds = ",".join(["-all", *[f"+{item.removeprefix('CAP_').lower()}" for item in capabilities]])
    mounts = MOUNT if any(mount.name == "tracefs" for mount in needs.mounts) else ""
    script = f'{mounts}exec setpriv --no-new-privs --bounding-set={bounds} "$@"'
    confined = beepy._replace(prefix=(*apart.command("--net"), "sh", "-ec", script, "sh"))
    return confined("run", name, *ARGUMENTS.get(name, ()), *OPTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_the_capabilities_suffice_and_each_is_needed(beepy: Beepy, name: str) -> None:
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    needs = of_objects(inspect(bundled_store().get(name)))
    capabilities = [item.name for item in needs.capabilities]
    as_root = beepy._replace(prefix=("unshare", "--net"))
    done = as_root("run", name, *ARGUMENTS.get(name, ()), *OPTIONS)
    if done.code:
        assert LACKED.match(done.err), done.err
        pytest.skip(f"{name}: {done.said[0].removeprefix('beepy: ')}")
    done = run(beepy, name, needs, capabilities)
    assert done.code == 0, done.err
    for missing in capabilities:
        left = [other for other in capabilities if other != missing]
        done = run(beepy, name, needs, left)
        assert done.code == 1, (missing, done.err)
        assert missing in done.err
