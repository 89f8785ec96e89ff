"""bee's own example sources are built unchanged: BUMBLEBEE is a checkout of its repository."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from beepy.oci.store import Store
from beepy.source import parse
from tests.support.command import Beepy

pytestmark = pytest.mark.registry

SOURCES: Final = sorted(Path(os.environ.get("BUMBLEBEE", "/nosuch")).glob("examples/*/*.c"))

__test__ = bool(SOURCES)  # not collected without a checkout, like the tests with a peer


def test_these_are_bees_examples() -> None:
    assert len(SOURCES) == 9


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parent.name)
def test_a_source_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    """Twice and in another directory, with the same digest; its maps are shown."""
    copied = shutil.copytree(source.parent, tmp_path / "copied")
    beepy, outputs = Beepy(tmp_path), set()
    for directory, path in (
        (source.parent, source.name),
        (source.parent, source.name),
        (Path("/"), str(source)),
        (copied, source.name),
    ):
        monkeypatch.chdir(directory)
        done = beepy("--storage", str(tmp_path / "store"), "build", path, "image:1")
        assert done.code == 0, done.err
        outputs.add(done.out)
    assert len(outputs) == 1
    spec = parse(Store(tmp_path / "store").get("image:1"))
    assert spec.programs
    assert spec.tracked
    assert spec.not_shown == ()
