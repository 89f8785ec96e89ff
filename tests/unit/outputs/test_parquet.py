"""Parquet files of rows, read back by pyarrow."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from beepy.outputs import parquet
from tests.support.command import ROOT
from tests.unit.outputs.test_arrow import ROWS, check, written


def test_types_and_values_are_exact(tmp_path: Path) -> None:
    check(pq.read_table(written(tmp_path / "x", ROWS, "parquet")))


def test_rows_are_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MAX_ROWS", 2)
    file = pq.ParquetFile(written(tmp_path / "x", [*ROWS, *ROWS], "parquet"))
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [2, 3, 1]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_without_pyarrow_the_command_that_installs_it_is_named() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None; "
        "from beepy import outputs; outputs.make('parquet')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert ran.stderr.splitlines()[-2:] == [
        "beepy.errors.UsageError: Parquet needs the package pyarrow, which is not installed",
        "python3 -m pip install 'beepy-ebpf[parquet]'",
    ]
