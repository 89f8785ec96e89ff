from beepy.hooks.similar import similar


def test_the_closest_come_first() -> None:
    names = ["vfs_read", "vfs_readv", "vfs_write", "tcp_v4_connect", "vfs_readdir", "do_vfs_read"]
    assert similar("vfs_reed", names)[0] == "vfs_read"
    assert similar("vfs_raed", names)[0] == "vfs_read"
    assert similar("zzz", names) == []


def test_a_hundred_thousand_are_not_compared_one_by_one() -> None:
    names = [f"function_{number}_of_the_kernel" for number in range(100_000)]
    assert similar("tcp_v4_conect", [*names, "tcp_v4_connect"]) == ["tcp_v4_connect"]
