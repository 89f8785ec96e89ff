"""Debian's tools and our images, held against the newest libbpf on this kernel (not of TABLE: a guest of its own)."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from tests.oracle.objects import DEBIAN, IMAGES, Object
from tests.vm.checks.check import OBJECTS, Check

_SECONDS: Final = 300  # the machine is ended before


def _compared() -> str:
    """Load every object with both; return the sum, and what libbpf refuses."""
    from tests.oracle.comparison import ask, compare
    from tests.oracle.outcome import Table, pins

    differences: list[str] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool, pins() as pinned:
        table = Table(pinned)
        objects = list(_objects(Path(folder, "images")))
        verdicts = pool.map(partial(ask, OBJECTS / "bpftool", folder=Path(folder, "plain")), objects)
        for one, verdict in zip(objects, verdicts, strict=True):
            compared = compare(one, verdict)
            differences += compared.differences()
            table.add(compared)
    assert not differences, "\n".join(differences)
    assert not table.wrong, "\n".join(table.wrong)
    refused = [line.split()[0] for line in table.lines if line.split()[1] != "loaded"][1:]
    return f"{table.sum()}; refused by both: {', '.join(refused) or 'none'}"


def _objects(folder: Path) -> Iterator[Object]:
    from beepy.oci.lookup import bundled_store

    store = bundled_store()
    folder.mkdir()
    for name in store.names():
        path = folder / f"{name}.o"
        path.write_bytes(store.get(name).programs[0])
        yield Object(IMAGES, name, path)
    for path in sorted(OBJECTS.glob("*.o")):
        yield Object(DEBIAN, path.stem, path)


CHECKS: Final = (Check("libbpf", _compared, seconds=_SECONDS),)
