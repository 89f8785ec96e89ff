"""Which PID namespace this is."""

from pathlib import Path

import pytest

from beepy.host import pids


def test_the_inode_of_the_namespace_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not pids.are_the_kernels(str(tmp_path))
    file = tmp_path / "self" / "ns" / "pid"
    file.parent.mkdir(parents=True)
    file.touch()
    assert not pids.are_the_kernels(str(tmp_path))
    monkeypatch.setattr(pids, "INITIAL", file.stat().st_ino)
    assert pids.are_the_kernels(str(tmp_path))
