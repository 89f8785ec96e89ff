"""On a kernel that has kprobes, fentry and LSM: what libbpf loads we load, with the same decisions."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.lookup import bundled_store
from tests.oracle import embedded, newest
from tests.vm import kernels
from tests.vm.apt import Unavailable
from tests.vm.checks.libbpf import CHECKS
from tests.vm.guests import Guest, Guests

pytestmark = pytest.mark.timeout(900)

KERNEL = next(kernel for kernel in kernels.TABLE if kernel.name == "6.12")
LEAST_DECISIONS = 480


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Guest]:
    """A guest that has nothing but the objects of Debian's tools, and bpftool."""
    if lacking := newest.missing() or embedded.missing():
        pytest.skip(lacking)
    objects = tmp_path / "objects"
    shutil.copytree(newest.folder(), objects)
    for one in embedded.installed():
        if one.package == embedded.TOOLS:
            (objects / f"{one.name}.o").write_bytes(one.data)
    booted = Guests({KERNEL: [check.name for check in CHECKS]}, objects, tmp_path)
    try:
        yield booted.of(KERNEL)
    except Unavailable as error:
        pytest.skip(str(error))
    finally:
        booted.close()


def test_libbpf_agrees(alone: Guest, capsys: pytest.CaptureFixture[str]) -> None:
    line = alone.lines.get("libbpf")
    assert line, alone.console
    assert line["outcome"] == "passed", line["told"]
    with capsys.disabled():
        print(f"\n{alone.release}: {line['told']} ({line['seconds']} s)")
    found = re.match(r"(\d+) objects, (\d+) loaded, (\d+) of \3 decisions equal, 0 verdicts differ", line["told"])
    assert found
    assert int(found[1]) >= embedded.LEAST + len(bundled_store().names())
    assert int(found[3]) >= LEAST_DECISIONS
