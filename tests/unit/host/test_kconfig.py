import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.host import kconfig
from beepy.host.kconfig import parse


def test_parse_returns_the_values_as_written() -> None:
    text = (
        "#\n# Linux\n#\nCONFIG_BPF=y\n# CONFIG_NFS is not set\n"
        'CONFIG_HZ=250\nCONFIG_LSM="lockdown,bpf=y"\nOTHER=1\nCONFIG_BARE\n'
    )
    assert parse(text) == {"CONFIG_BPF": "y", "CONFIG_HZ": "250", "CONFIG_LSM": '"lockdown,bpf=y"'}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an empty directory the only place where the configuration is searched."""
    monkeypatch.setattr(kconfig, "_PATHS", (f"{tmp_path}/config-{{}}", f"{tmp_path}/config.gz"))
    kconfig.options.cache_clear()
    yield tmp_path
    kconfig.options.cache_clear()


def test_the_first_readable_file_is_used(directory: Path) -> None:
    (directory / f"config-{os.uname().release}").write_text("CONFIG_A=y\n")
    (directory / "config.gz").write_bytes(b"not read")
    assert kconfig.options() == {"CONFIG_A": "y"}


def test_the_error_names_the_files_that_were_tried(directory: Path) -> None:
    with pytest.raises(KernelError) as caught:
        kconfig.options()
    listed = f"{directory}/config-{os.uname().release}, {directory}/config.gz"
    assert str(caught.value) == f"kernel configuration: none of {listed} can be read"
    assert caught.value.errno == errno.ENOENT
