"""Objects of bpf/test/ whose programs count in rows of the array `hits`; attached singly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beepy import hooks
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.hooks import Target
from beepy.kernel.link import Link
from beepy.obj.parse import parse
from tests.support import compiled


def compile_object(name: str, folder: Path) -> Path:
    """Compile bpf/test/NAME.bpf.c into ``folder``; skip the test where there is no clang."""
    return compiled.objects(folder, [name])[name]


@contextmanager
def loaded(path: Path) -> Iterator[Collection]:
    """Load an object; nothing is attached."""
    with load(parse(path.read_bytes(), path.stem)) as collection:
        yield collection


def attach(collection: Collection, name: str, target: Target) -> Link:
    """Attach one program as its section says, to ``target``."""
    return hooks.attach(
        collection.programs[name], target._replace(maps=collection.maps, shared=collection.shared)
    )


def hits(collection: Collection, row: int) -> int:
    """Return how often the program of that row counted."""
    return int.from_bytes(
        collection.maps["hits"].lookup(row.to_bytes(4, "little")) or b"", "little"
    )
