import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.host import kconfig
from beepy.host.kconfig import parse


def test_options_with_their_values_as_written() -> None:
    text = '#\n# Linux\n#\nCONFIG_BPF=y\n# CONFIG_NFS is not set\nCONFIG_HZ=250\nCONFIG_LSM="lockdown,bpf"\nOTHER=1\n'
    assert parse(text) == {"CONFIG_BPF": "y", "CONFIG_HZ": "250", "CONFIG_LSM": '"lockdown,bpf"'}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the places where the configuration is looked for: in an empty directory."""
    monkeypatch.setattr(kconfig, "_PLACES", (f"{tmp_path}/config-{{}}", f"{tmp_path}/config.gz"))
    kconfig.options.cache_clear()
    yield tmp_path
    kconfig.options.cache_clear()


def test_the_first_that_can_be_read(places: Path) -> None:
    (places / f"config-{os.uname().release}").write_text("CONFIG_A=y\n")
    (places / "config.gz").write_bytes(b"not read")
    assert kconfig.options() == {"CONFIG_A": "y"}


def test_no_configuration_names_where_it_is_looked_for(places: Path) -> None:
    with pytest.raises(KernelError) as caught:
        kconfig.options()
    listed = f"{places}/config-{os.uname().release}, {places}/config.gz"
    assert str(caught.value) == f"kernel configuration: none of {listed} can be read"
    assert caught.value.errno == errno.ENOENT
