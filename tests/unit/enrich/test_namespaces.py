"""Names of namespaces, from directories such as those of a process and of ip-netns(8)."""

from pathlib import Path

from beepy.enrich.namespaces import Namespaces


def test_names_are_the_host_s_and_those_of_networks(tmp_path: Path) -> None:
    host, named = tmp_path / "ns", tmp_path / "netns"
    host.mkdir()
    (host / "mnt").touch()
    (host / "gone").symlink_to("nothing")
    seconds = 5.0
    names = Namespaces(str(host), str(named), lambda: seconds)
    inode = (host / "mnt").stat().st_ino
    assert names.name(inode) == "host"
    named.mkdir()
    (named / "blue").touch()
    blue = (named / "blue").stat().st_ino
    assert names.name(blue) == ""  # not read again so soon
    seconds = 7.0
    assert names.name(blue) == "blue"
    assert names.name(inode) == "host"
    assert names.name(0) == ""


def test_the_first_namespaces_have_fixed_numbers(tmp_path: Path) -> None:
    names = Namespaces(str(tmp_path / "none"), str(tmp_path / "none"))
    assert names.name(0xEFFFFFFC) == "host"  # PROC_PID_INIT_INO
    own = Path("/proc/self/ns/pid").stat().st_ino
    assert (own == 0xEFFFFFFC) == (names.name(own) == "host")
