from pathlib import Path

from beepy.enrich import devices, interfaces

PARTITIONS = """\
major minor  #blocks  name

 254        0   67108864 vda
   8        1      1024 sda1
"""


def test_block_devices(tmp_path: Path) -> None:
    path = tmp_path / "partitions"
    path.write_text(PARTITIONS)
    assert devices.name(254, 0, path) == "vda"
    assert devices.name(8, 1, path) == "sda1"
    assert devices.name(8, 2, path) == ""
    assert devices.name(1, 1, tmp_path / "absent") == ""


def test_interfaces() -> None:
    assert interfaces.name(1) == "lo"
    assert [interfaces.name(index) for index in (0, 2**31 - 1, 2**32, -1)] == ["", "", "", ""]
