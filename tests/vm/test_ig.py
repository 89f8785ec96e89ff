"""On a kernel with kprobes: gadgets under ig and under beepy.

GADGETS is a directory with an archive for each gadget: NAME.tar, as `ig image export` writes it. ig
must be a static program, as it is released.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.vm import kernels
from tests.vm.apt import Unavailable
from tests.vm.checks.gadgets import CHECKS
from tests.vm.guests import Guest, Guests

pytestmark = [pytest.mark.timeout(3600), pytest.mark.peer("ig")]

GADGETS: Final = Path(os.environ.get("GADGETS", "/nosuch"))
KERNEL: Final = next(kernel for kernel in kernels.TABLE if kernel.name == "6.12")
WORK: Final = 1800  # seconds

__test__ = GADGETS.is_dir()


@pytest.fixture(scope="module")
def guest_with_ig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    folder = tmp_path_factory.mktemp("ig")
    given = folder / "objects"
    given.mkdir()
    shutil.copy(shutil.which("ig") or "", given / "ig")
    for name in CHECKS:
        shutil.copy(GADGETS / f"{name}.tar", given)
    booted = Guests({KERNEL: [check.name for check in CHECKS.values()]}, given, folder, work=WORK)
    try:
        yield booted.of(KERNEL)
    except Unavailable as error:
        pytest.skip(str(error))
    finally:
        booted.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", CHECKS)
def test_rows_are_equal(guest_with_ig: Guest, name: str) -> None:
    line = guest_with_ig.lines.get(CHECKS[name].name)
    assert line, guest_with_ig.console
    assert line["outcome"] == "passed", line["told"]
