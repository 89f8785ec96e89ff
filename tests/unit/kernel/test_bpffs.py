from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.kernel import bpffs


def test_prepare_creates_nothing_outside_of_a_bpf_file_system(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"^map 'm': .*/a/b: not in a mounted BPF file system"):
        bpffs.make_directory(str(tmp_path / "a" / "b"), "map 'm'")
    assert not list(tmp_path.iterdir())


def test_prepare_reports_errors_of_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"^map 'm': .*: file name too long \(ENAMETOOLONG\)$"):
        bpffs.make_directory(str(tmp_path / ("a" * 300)), "map 'm'")


def test_unpin_ignores_a_missing_pin(tmp_path: Path) -> None:
    bpffs.unpin(str(tmp_path / "a"), "map 'm'")
    with pytest.raises(KernelError, match=r"^map 'm': unpin at .*: is a directory \(EISDIR\)$"):
        bpffs.unpin(str(tmp_path), "map 'm'")
