"""Kill runs at random moments: links vanish at once, other attachments at the next start.

200 of the first kind, more in `make soak`; the machine's other users may load and attach what they
like meanwhile.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.host import cgroups
from tests import soak
from tests.support import child
from tests.support.hits import compile_object

PARTS, CYCLES = 8, 25
OLD_PARTS, OLD_CYCLES = 2, 20

KILL = """
import signal
from pathlib import Path
from tests.support import killed

group, folder = Path({group!r}), Path({folder!r})
killed.stand_alone()
if {old}:
    killed.refuse_links()
before = killed.left(group, set())
arguments = ({path!r}, "-o", "none", "--no-metrics", "--iface", "lo", "--cgroup", str(group))
killer = killed.Killer(folder, *arguments, seed={seed})
killer.attached(signal.SIGINT)
for _ in range({cycles}):
    killer.cycle()
killer.attached(signal.SIGKILL)
if {old}:
    assert len(list(folder.iterdir())) == {noted}
    assert len(killed.compared(before, killed.left(group, killer.processes))) == {changed}
    assert "left by a killed process, undone" in killer.attached(signal.SIGINT)
killer.wait()
now = killed.left(group, killer.processes)
assert now == before, killed.compared(before, now)
assert list(folder.glob("*")) == []
ends = ", ".join(f"{{count}} {{when}}" for when, count in killer.ends.items())
print(ends, f"; {{len(killer.held)}} held")
"""
NOTED = 6  # two events of tracefs, XDP, a filter, a control group's, a flow dissector
CHANGED = 5  # qdiscs, filters, the interface, the control group, tracefs


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object("killed", tmp_path_factory.mktemp("killed"))


@pytest.fixture
def group() -> Iterator[Path]:
    root = cgroups.root()
    if not root:
        pytest.skip("cgroup v2 is not mounted")
    made = Path(root) / f"beepy-killed-{os.getpid()}"
    made.mkdir()
    yield made
    made.rmdir()


def kill(path: Path, group: Path, folder: Path, *, old: bool, cycles: int, seed: int) -> None:
    given = {
        "path": str(path),
        "group": str(group),
        "folder": str(folder),
        "old": old,
        "cycles": cycles,
        "seed": seed,
    }
    print(child.run(KILL.format(**given, noted=NOTED, changed=CHANGED), mounts=True))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(soak.times(PARTS)))
def test_nothing_is_left(part: int, path: Path, group: Path, tmp_path: Path) -> None:
    kill(path, group, tmp_path / "beepy", old=False, cycles=CYCLES, seed=part)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(soak.times(OLD_PARTS)))
def test_what_is_left_in_the_old_ways_goes_with_the_next_start(
    part: int, path: Path, group: Path, tmp_path: Path
) -> None:
    kill(path, group, tmp_path / "beepy", old=True, cycles=OLD_CYCLES, seed=part)
