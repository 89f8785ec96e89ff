import json
from pathlib import Path

import pytest

from beepy.host.runtimes import Described, Pod, by_cgroup, containers, described, pods

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


DOCKER_LABELS = {
    "io.kubernetes.container.name": "app",
    "io.kubernetes.pod.name": "cart-0",
    "io.kubernetes.pod.namespace": "shop",
}
CRI = {
    "io.kubernetes.cri.container-name": "app",
    "io.kubernetes.cri.sandbox-name": "cart-0",
    "io.kubernetes.cri.sandbox-namespace": "shop",
}
IN_POD = Described("app", "cart-0", "shop")


@pytest.mark.parametrize(
    ("path", "content", "known"),
    [
        (f"var/lib/docker/containers/{ID}/config.v2.json", {"Name": "/web"}, Described("web")),
        (
            f"var/lib/docker/containers/{ID}/config.v2.json",
            {"Name": "/k8s_app", "Config": {"Labels": DOCKER_LABELS}},
            IN_POD,
        ),
        (
            f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json",
            {"annotations": CRI},
            IN_POD,
        ),
        (
            f"run/containerd/io.containerd.runtime.v2.task/default/{ID}/config.json",
            {"annotations": {"nerdctl/name": "web"}},
            Described("web"),
        ),
        (
            f"run/containers/storage/overlay-containers/{ID}/userdata/config.json",
            {"annotations": DOCKER_LABELS},
            IN_POD,
        ),
        (
            "var/lib/containers/storage/overlay-containers/containers.json",
            [{"id": "0" * 64, "names": ["x"]}, {"id": ID, "names": ["web", "www"]}],
            Described("web"),
        ),
        (
            f"var/lib/docker/containers/{ID}/config.v2.json",
            {"Name": 7, "Config": 3},
            Described(),
        ),
        (
            f"var/lib/docker/containers/{ID}/config.v2.json",
            {"Name": "/web", "Config": {"Labels": [1]}},
            Described("web"),
        ),
    ],
)
def test_the_names_of_one_container(
    tmp_path: Path, path: str, content: object, known: Described
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content))
    assert described(ID, str(tmp_path)) == known
    assert described("cd" * 32, str(tmp_path)) == Described()


def test_crun_and_runc_say_which_cgroups_their_containers_have(tmp_path: Path) -> None:
    files = {
        "crun/web/status": {"cgroup-path": "/web"},
        "crun/deep/status": {"cgroup-path": "/user.slice/deep"},
        "crun/root/status": {"cgroup-path": "/"},
        "crun/none/status": {},
        "crun/list/status": [],
        "runc/two/state.json": {"cgroup_paths": {"": "/sys/fs/cgroup/system.slice/two"}},
        "runc/one/state.json": {
            "cgroup_paths": {"memory": "/sys/fs/cgroup/memory/one", "cpu": 3, "pids": "/x"}
        },
        "runc/bad/state.json": {"cgroup_paths": [1]},
    }
    for name, content in files.items():
        file = tmp_path / "run" / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content))
    assert by_cgroup(str(tmp_path)) == {
        "/web": "web",
        "/user.slice/deep": "deep",
        "/system.slice/two": "two",
        "/one": "one",
    }
    assert by_cgroup(str(tmp_path / "none")) == {}
