"""On a kernel with kprobes, fentry and LSM: what libbpf loads we load, with the same decisions."""

import re
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.oracle import embedded, newest, objects
from tests.vm import kernels
from tests.vm.apt import Unavailable
from tests.vm.checks.libbpf import CHECKS, REWRITTEN
from tests.vm.guests import Guest, Guests

pytestmark = pytest.mark.timeout(3600)

KERNEL = next(kernel for kernel in kernels.TABLE if kernel.name == "6.12")
LEAST = {objects.DEBIAN: (embedded.LEAST, 480)}  # objects and decisions of a family
LONG = ("systemd-container-systemd-nsresourced", "burn")
"""Skipped objects: the verifier's log has hundreds of MB, minutes for an emulated processor.

Without a log they load there, by beepy, in seconds.
"""
WORK = 1200  # seconds


class Asked(NamedTuple):
    """A guest with every object; ``missing`` names the families that are not available, and why."""

    guest: Guest
    missing: dict[str, str]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    if lacking := newest.missing():
        pytest.skip(lacking)
    folder = tmp_path_factory.mktemp("libbpf")
    given = folder / "objects"
    shutil.copytree(newest.folder(), given)
    missing = {
        family: lacking for family in objects.FAMILIES if (lacking := objects.missing(family))
    }
    for family in objects.FAMILIES:
        if family not in missing:
            objects.make(family, given / family)
            for name in LONG:
                (given / family / f"{name}.o").unlink(missing_ok=True)
    checks = [check.name for family, check in CHECKS.items() if family not in missing]
    if objects.DEBIAN not in missing:
        checks.append(REWRITTEN.name)
    booted = Guests({KERNEL: checks}, given, folder, work=WORK)
    try:
        yield Asked(booted.of(KERNEL), missing)
    except Unavailable as error:
        pytest.skip(str(error))
    finally:
        booted.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize("family", CHECKS)
def test_libbpf_agrees(asked: Asked, family: str, capsys: pytest.CaptureFixture[str]) -> None:
    if lacking := asked.missing.get(family):
        pytest.skip(lacking)
    line = asked.guest.lines.get(CHECKS[family].name)
    assert line, asked.guest.console
    assert line["outcome"] == "passed", line["told"]
    with capsys.disabled():
        print(f"\n{asked.guest.release}: {family}: {line['told']} ({line['seconds']} s)")
    found = re.match(
        r"(\d+) objects, (\d+) loaded, (\d+) of \3 decisions equal, 0 verdicts differ", line["told"]
    )
    assert found
    least, decisions = LEAST.get(family, (1, 0))
    assert int(found[1]) >= least
    assert int(found[3]) >= decisions


def test_every_pass_is_accepted(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """Debian's objects for functions and LSM hooks too, which some hosts let nobody load."""
    if lacking := asked.missing.get(objects.DEBIAN):
        pytest.skip(lacking)
    line = asked.guest.lines.get(REWRITTEN.name)
    assert line, asked.guest.console
    assert line["outcome"] == "passed", line["told"]
    with capsys.disabled():
        print(f"\n{asked.guest.release}: {line['told']} ({line['seconds']} s)")
