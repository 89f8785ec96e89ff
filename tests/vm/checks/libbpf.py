"""Every object that the host's libbpf and beepy are compared on, on this kernel.

Not in TABLE: it has a guest of its own.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from beepy.errors import ObjectError
from beepy.obj.parse import parse
from tests.oracle.objects import DEBIAN, FAMILIES, IMAGES, Object
from tests.vm.checks.check import OBJECTS, Check

_SECONDS: Final = 300  # the machine is ended before
_EVERY: Final = 8  # one object of so many is loaded with every pass: each takes seconds there


def _compared(family: str) -> str:
    """Load every object of the family with both; return the sum."""
    from tests.oracle.comparison import ask, compare
    from tests.oracle.outcome import Table, pins

    differences: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool, pins() as pinned:
        table = Table(pinned)
        objects = (
            _shipped(Path(folder)) if family == IMAGES else sorted((OBJECTS / family).glob("*.o"))
        )
        asked = [Object(family, path.stem, path) for path in objects]
        verdicts = pool.map(partial(ask, OBJECTS / "bpftool", folder=Path(folder, "plain")), asked)
        for one, verdict in zip(asked, verdicts, strict=True):
            compared = compare(one, verdict)
            differences += compared.differences()
            table.add(compared)
    assert not differences, "\n".join(differences)
    assert not table.wrong, "\n".join(table.wrong)
    return table.sum()


def _shipped(folder: Path) -> list[Path]:
    from beepy.oci.lookup import bundled_store

    store = bundled_store()
    paths = {name: folder / f"{name}.o" for name in store.names()}
    for name, path in paths.items():
        path.write_bytes(store.get(name).programs[0])
    return list(paths.values())


def _rewritten(family: str) -> str:
    """Load some objects of the family rewritten by each pass; return the sum."""
    from tests.support.passes import Outcomes

    outcomes = Outcomes()
    for path in sorted((OBJECTS / family).glob("*.o"))[::_EVERY]:
        with suppress(ObjectError):
            outcomes.add(parse(path.read_bytes(), path.stem))
    assert not outcomes.wrong, "\n".join(outcomes.wrong)
    return str(outcomes)


CHECKS: Final = {
    family: Check(f"libbpf, {family}", partial(_compared, family), seconds=_SECONDS)
    for family in (IMAGES, *FAMILIES)
}
"""Family -> the check of its objects, which stand in a folder of its name."""

REWRITTEN: Final = Check("rewritten, Debian's", partial(_rewritten, DEBIAN), seconds=_SECONDS)
