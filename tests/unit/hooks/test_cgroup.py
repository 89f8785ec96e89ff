import pytest

from beepy.hooks.cgroup import root_mount

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
