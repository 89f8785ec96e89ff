"""The public names: all there, all true, and none of them costs anything until it is used."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import beepy

ROOT = Path(__file__).parents[2]


def test_all_is_sorted_and_short() -> None:
    assert beepy.__all__ == sorted(set(beepy.__all__))
    assert len(beepy.__all__) <= 25


@pytest.mark.parametrize("name", [name for name in beepy.__all__ if name in beepy._ROOMS])
def test_a_name_is_what_its_room_has(name: str) -> None:
    found = getattr(beepy, name)
    assert found is getattr(import_module(beepy._ROOMS[name]), name)
    assert found.__doc__
    assert found.__module__.startswith("beepy.")


def test_no_other_names() -> None:
    assert set(beepy.__all__) == {*beepy._ROOMS, "__version__"}
    assert dir(beepy) == beepy.__all__
    with pytest.raises(AttributeError, match="module 'beepy' has no attribute 'nothing'"):
        beepy.nothing  # noqa: B018 - it is looked up


def test_the_version_is_the_distributions() -> None:
    assert f'version = "{beepy.__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("code", "unread"),
    [
        ("import beepy", {"beepy."}),
        ("from beepy import Decoder", {"beepy.kernel", "beepy.oci", "beepy.cli", "beepy.streams"}),
        ("from beepy import find", {"beepy.kernel", "beepy.obj", "beepy.btf", "beepy.cli", "oras"}),
        ("from beepy import parse", {"beepy.kernel", "beepy.hooks", "beepy.cli", "elftools.dwarf"}),
    ],
)
def test_a_name_reads_its_own_room(code: str, unread: set[str]) -> None:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = ran.stdout.split()
    assert "beepy" in loaded
    assert [name for name in loaded if name.startswith(tuple(unread))] == []
