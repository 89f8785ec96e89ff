import sys
import zipfile
from pathlib import Path

import pytest

from beepy import __version__
from beepy.errors import BeepyError, UsageError
from beepy.manifest import wheel
from tests.support.command import ROOT

NAME = f"beepy_ebpf-{__version__}-py3-none-any.whl"


def test_a_checkout_gives_its_wheel(tmp_path: Path) -> None:
    assert wheel.add(tmp_path, __version__, None) == NAME
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    with zipfile.ZipFile(tmp_path / NAME) as file:
        names = set(file.namelist())
    assert {"beepy/manifest/wheel.py", "beepy/images/index.json"} <= names


def test_the_wheel_is_reproducible(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        wheel.add(directory, __version__, None)
    assert (first / NAME).read_bytes() == (second / NAME).read_bytes()


def test_an_installed_beepy_is_a_requirement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "_ROOT", tmp_path)
    assert wheel.add(tmp_path, "1.2.3", None) == "beepy-ebpf==1.2.3"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[project]\nname = "beepy-ebpf"\n', True),
        ('[project]\nname = "other"\n', False),
        ("project = 1\n", False),
        ("", False),
        ("[", False),
        ("\udc80", False),
    ],
)
def test_what_a_checkout_is(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert wheel.is_checkout(tmp_path) is expected


def test_this_is_a_checkout(tmp_path: Path) -> None:
    assert wheel.is_checkout(ROOT)
    assert not wheel.is_checkout(tmp_path)


def test_a_given_wheel_is_taken(tmp_path: Path) -> None:
    given = tmp_path / NAME
    given.write_bytes(b"PK")
    (tmp_path / "new").mkdir()
    assert wheel.add(tmp_path / "new", __version__, given) == NAME
    assert (tmp_path / "new" / NAME).read_bytes() == b"PK"


@pytest.mark.parametrize("name", ["x.whl", "a-1-py3-none-any.zip", "a-1-py3-no ne-any.whl", NAME])
def test_what_is_no_wheel(tmp_path: Path, name: str) -> None:
    if name != NAME:  # that one does not exist
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UsageError, match=r": not a wheel"):
        wheel.add(tmp_path, __version__, tmp_path / name)


def test_a_wheel_that_cannot_be_built_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    project = (
        '[project]\nname = "beepy-ebpf"\n[build-system]\nrequires = []\nbuild-backend = "no"\n'
    )
    (tmp_path / "source" / "pyproject.toml").write_text(project)
    monkeypatch.setattr(wheel, "_ROOT", tmp_path / "source")
    with pytest.raises(BeepyError, match=r"^wheel of \S+: pip wheel: \S") as caught:
        wheel.add(tmp_path, __version__, None)
    assert str(caught.value.args[0]).isprintable()
    assert caught.value.__notes__


def test_without_pip_there_is_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.partition(".")[0] == "pip"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BeepyError, match="pip is not installed"):
        wheel.add(tmp_path, __version__, None)
