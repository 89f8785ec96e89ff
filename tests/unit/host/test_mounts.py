from beepy.host.mounts import Mount, mounts, parse

LINES = (
    r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
    "37 35 0:20 / /sys/fs/bpf rw - bpf bpf rw",
)


def test_blanks_in_paths_are_octal() -> None:
    assert list(parse(LINES)) == [
        Mount("98:0", "/mnt1", "/mnt 2", "ext3"),
        Mount("0:20", "/", "/sys/fs/bpf", "bpf"),
    ]


def test_proc_is_mounted() -> None:
    assert "proc" in {mount.type for mount in mounts()}
