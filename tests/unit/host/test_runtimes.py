from pathlib import Path

from beepy.host.runtimes import Pod, containers, pods

ID = "ab" * 32


def test_malformed_files_name_nothing(tmp_path: Path) -> None:
    for content in (b"", b"[", b"7", b'{"Name": 7}', b"\xff", b"[" * 100_000):
        path = tmp_path / f"var/lib/docker/containers/{ID}/config.v2.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert containers(str(tmp_path)) == ({}, ())
    for content in (b"{}", b'[{"id": 7}, {"id": "x", "names": 3}, {"id": "x", "names": [4]}]'):
        path = tmp_path / "var/lib/containers/storage/overlay-containers/containers.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert containers(str(tmp_path)) == ({}, ())


def test_several_containers_may_have_a_name(tmp_path: Path) -> None:
    for identity in (ID, "cd" * 32):
        path = tmp_path / f"var/lib/docker/containers/{identity}/config.v2.json"
        path.parent.mkdir(parents=True)
        path.write_text('{"Name": "/web"}')
    assert containers(str(tmp_path)).ids == {"web": {ID, "cd" * 32}}


def test_a_machine_without_runtimes_has_no_names(tmp_path: Path) -> None:
    assert containers(str(tmp_path)) == ({}, ())
    assert pods(str(tmp_path)) == ((), ())


def test_pods_are_named_by_their_directories_of_logs(tmp_path: Path) -> None:
    for name in ("kube-system_dns-7_1234", "malformed", "a_b_c_d"):
        (tmp_path / "var/log/pods" / name).mkdir(parents=True)
    assert pods(str(tmp_path)).pods == (Pod("kube-system", "dns-7", "1234"),)
