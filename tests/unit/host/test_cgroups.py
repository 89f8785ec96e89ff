from pathlib import Path

import pytest

from beepy.host.cgroups import directories, identify, root, root_mount

OTHER = "24 18 0:22 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu"


@pytest.mark.parametrize(
    ("line", "point"),
    [
        (
            "29 23 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate",
            "/sys/fs/cgroup",
        ),
        ("34 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw", "/sys/fs/cgroup/unified"),
        (r"34 25 0:26 / /mnt/a\040b\134c rw shared:1 master:2 - cgroup2 none rw", r"/mnt/a b\c"),
        ("34 25 0:26 /docker/12 /sys/fs/cgroup rw - cgroup2 cgroup2 rw", ""),
        ("34 25 0:26 / /cgroup2 rw - tmpfs cgroup2 rw", ""),
    ],
)
def test_finds_the_root_of_cgroup_v2(line: str, point: str) -> None:
    assert root_mount(f"{OTHER}\n{line}\n") == point


def test_without_cgroup_v2_there_is_no_mount_point() -> None:
    assert root_mount("") == ""
    assert root_mount(OTHER) == ""


def test_what_is_no_cgroup_has_no_depth(tmp_path: Path) -> None:
    assert identify(str(tmp_path)) is None
    assert identify(f"{tmp_path}/nothing") is None
    assert identify("/\0") is None


@pytest.mark.skipif(not root(), reason="cgroup v2 is not mounted")
def test_the_root_of_all_cgroups_has_depth_0() -> None:
    inode = Path(root()).stat().st_ino
    assert identify(root()) == identify(f"{root()}/.") == ((0, 1) if inode == 1 else None)


def test_directories_are_listed_parents_first_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "cgroup.procs").touch()
    top = str(tmp_path)
    assert list(directories(top)) == [f"{top}/a", f"{top}/b", f"{top}/b/c"]
    assert list(directories(f"{top}/nothing")) == []
