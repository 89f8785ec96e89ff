import stat
from pathlib import Path

import pytest

from beepy.errors import OutputError
from beepy.manifest.directory import replaced


def ours(_path: Path) -> str:
    return ""


def foreign(_path: Path) -> str:
    return "x is not ours"


def write(path: Path, text: str) -> None:
    with replaced(path, ours) as new:
        (new / "file").write_text(text)


def test_it_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "directory"
    with replaced(path, foreign) as new:
        (new / "file").write_text("x")
        assert not path.exists()
    assert (path / "file").read_text() == "x"
    assert stat.S_IMODE(path.stat().st_mode) & 0o022 == 0
    assert [item.name for item in path.parent.iterdir()] == ["directory"]


def test_it_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    write(path, "old")
    (path / "other").write_text("gone with it")
    write(path, "new")
    assert [(item.name, item.read_text()) for item in path.iterdir()] == [("file", "new")]
    assert [item.name for item in tmp_path.iterdir()] == ["directory"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "directory"

    def fail() -> None:
        with replaced(path, ours) as new:
            (new / "file").write_text("new")
            raise error

    for before in (False, True):
        with pytest.raises(error):
            fail()
        assert path.exists() == before
        write(path, "old")
    assert (path / "file").read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["directory"]


def test_what_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    write(path, "old")
    with (
        pytest.raises(OutputError, match="directory: not overwritten: x is not ours"),
        replaced(path, foreign),
    ):
        pytest.fail("it is refused before anything is done")
    assert (path / "file").read_text() == "old"


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    with replaced(path, foreign) as new:
        (new / "file").write_text("new")
    assert (path / "file").read_text() == "new"


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_what_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "directory", tmp_path / "target"
    if kind == "file":
        path.write_text("x")
    else:
        path.symlink_to(target)
        if kind == "link":
            target.mkdir()
    with (
        pytest.raises(OutputError, match="directory: exists, and is not a directory"),
        replaced(path, ours),
    ):
        pytest.fail("it is refused before anything is done")


def test_what_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "directory"

    def write_late() -> None:
        with replaced(path, foreign):
            path.mkdir()
            (path / "file").write_text("theirs")

    with pytest.raises(OutputError, match="not overwritten"):
        write_late()
    assert (path / "file").read_text() == "theirs"
