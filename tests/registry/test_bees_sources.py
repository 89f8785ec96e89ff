"""bee's own example sources are built unchanged: BUMBLEBEE is a checkout of its repository."""

import os
import re
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


def blocks(page: str) -> list[str]:
    """Return the complete C sources of a page."""
    text = (SOURCES[0].parents[2] / "docs" / page).read_text()
    code = re.findall(r"^```C\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in code if "vmlinux.h" in block and "\nint BPF_KPROBE(" in block]


def test_the_lines_of_bees_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents' lines with ``bee`` replaced by ``beepy``, and the program of their guide."""
    shutil.copytree(SOURCES[0].parents[1], tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    _skeleton, source = blocks("getting_started.md")  # what init writes, and the end of the guide
    Path("probe.c").write_text(source)
    beepy = Beepy(tmp_path)
    for line, name in (
        ("build examples/tcpconnect/tcpconnect.c tcpconnect", "tcpconnect"),
        ("build examples/tcpconnect/tcpconnect.c tcpconnect.o -i bee-builder:dev", "tcpconnect.o"),
        ("build probe.c my_probe:v1", "my_probe:v1"),
        ("build probe.c my_probe:v1 --builder podman", "my_probe:v1"),
    ):
        done = beepy(*line.split())
        assert (done.code, done.out.split()[0]) == (0, name), done.err
    listed = beepy("list").out
    assert all(f"\n{name} " in listed for name in ("tcpconnect", "tcpconnect.o", "my_probe:v1"))
