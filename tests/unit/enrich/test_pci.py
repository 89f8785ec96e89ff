from pathlib import Path

from beepy.enrich.pci import names, parse

TEXT = """\
# comment
0e11  Compaq Computer Corporation
8086  Intel Corporation
\t100e  82540EM Gigabit Ethernet Controller
\t\t1028 002e  Optiplex GX260
\t100f  82545EM
broken line
C 02  Network controller
\t00  Ethernet controller
\t\t01  an interface
\t80  Network controller
"""


def test_names() -> None:
    pci = parse(TEXT)
    assert pci.vendors == {"0e11": "Compaq Computer Corporation", "8086": "Intel Corporation"}
    assert pci.devices == {
        "8086100e": "82540EM Gigabit Ethernet Controller",
        "8086100f": "82545EM",
    }
    assert pci.classes == {"02": "Network controller"}
    assert pci.subclasses == {"0200": "Ethernet controller", "0280": "Network controller"}


def test_the_first_file_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "pci.ids"
    path.write_bytes(TEXT.encode() + b"8087  \xff\n")
    found = names((str(tmp_path / "absent"), str(path)))
    assert found
    assert found.vendors["8087"] == "\ufffd"
    assert names((str(tmp_path),)) is None
