import json
from collections.abc import Callable
from pathlib import Path

import pytest

from beepy.errors import AttachError
from beepy.host.containers import Located, Tree, container, located, pod, unit

DOCKER, PODMAN, CRI, CRIO = "d0" * 32, "e1" * 32, "c2" * 32, "a3" * 32
UID = "0f3c1f6e-93b5-4a5c-8d58-2f7f6a0e1b2d"
UNDERSCORED = UID.replace("-", "_")

SYSTEMD = (
    f"system.slice/docker-{DOCKER}.scope",
    f"machine.slice/libpod-{PODMAN}.scope/container",
    f"kubepods.slice/kubepods-burstable-pod{UNDERSCORED}.slice/cri-containerd-{CRI}.scope",
    f"kubepods.slice/crio-{CRIO}.scope",
    "system.slice/nginx.service",
    "user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service",
)
CGROUPFS = (
    f"docker/{DOCKER}",
    f"libpod_parent/libpod-{PODMAN}",
    f"kubepods/burstable/pod{UID}/{CRI}",
    f"kubepods/besteffort/{CRIO}",
)


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def tree(tmp_path: Path, directories: tuple[str, ...]) -> Tree:
    cgroup, root = tmp_path / "cgroup", tmp_path / "root"
    for directory in directories:
        (cgroup / directory).mkdir(parents=True)
    write(root / f"var/lib/docker/containers/{DOCKER}/config.v2.json", {"Name": "/web"})
    write(
        root / "var/lib/containers/storage/overlay-containers/containers.json",
        [{"id": PODMAN, "names": ["db", "data"]}, {"id": "f" * 64, "names": ["stopped"]}],
    )
    write(
        root / f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{CRI}/config.json",
        {"annotations": {"io.kubernetes.cri.container-name": "app"}},
    )
    write(
        root / f"run/containers/storage/overlay-containers/{CRIO}/userdata/config.json",
        {"annotations": {"io.kubernetes.container.name": "sidecar"}},
    )
    (root / f"var/log/pods/shop_cart-0_{UID}").mkdir(parents=True)
    return Tree(str(cgroup), str(root))


@pytest.mark.parametrize("directories", [SYSTEMD, CGROUPFS], ids=["systemd", "cgroupfs"])
@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("web", DOCKER),
        (DOCKER, DOCKER),
        (DOCKER[:12], DOCKER),
        ("db", PODMAN),
        ("data", PODMAN),
        ("app", CRI),
        ("sidecar", CRIO),
    ],
)
def test_a_container_is_found_by_name_and_id(
    tmp_path: Path, directories: tuple[str, ...], name: str, identity: str
) -> None:
    assert identity in container(tree(tmp_path, directories), name).rpartition("/")[2]


@pytest.mark.parametrize("directories", [SYSTEMD, CGROUPFS], ids=["systemd", "cgroupfs"])
@pytest.mark.parametrize("name", [UID, "cart-0", "shop/cart-0"])
def test_a_pod_is_found_by_name_and_uid(
    tmp_path: Path, directories: tuple[str, ...], name: str
) -> None:
    last = pod(tree(tmp_path, directories), name).rpartition("/")[2]
    assert last.replace("_", "-").endswith((f"pod{UID}", f"pod{UID}.slice"))


def test_each_user_may_have_a_unit_of_a_name(tmp_path: Path) -> None:
    paths = unit(tree(tmp_path, SYSTEMD), "nginx.service")
    assert [path.rpartition("/")[0].rpartition("/")[2] for path in paths] == [
        "system.slice",
        "app.slice",
    ]


@pytest.mark.parametrize(
    ("find", "name", "message", "note"),
    [
        (container, "wob", "container 'wob': no running container of that name or id", "app, data"),
        (container, "stopped", "container 'stopped': not running", "running: app, data, db"),
        (container, "\x1b[m", r"container '\\x1b\[m': no running", "running: app"),
        (container, "../..", "container '../..': no running", "running: app"),
        (pod, "shop/card-0", "pod 'shop/card-0': no running pod", "running: shop/cart-0"),
        (pod, "other/cart-0", "pod 'other/cart-0': no running pod", "running: shop/cart-0"),
        (pod, UID.replace("0", "1"), "no cgroup of that UID", ""),
        (unit, "nginx", "unit 'nginx': expected a name such as nginx.service", ""),
        (unit, "a/b.service", "expected a name such as", ""),
        (unit, "no.service", "unit 'no.service': no cgroup of that name", ""),
    ],
)
def test_errors_say_what_is_running(
    tmp_path: Path, find: Callable[[Tree, str], object], name: str, message: str, note: str
) -> None:
    with pytest.raises(AttachError, match=message) as caught:
        find(tree(tmp_path, SYSTEMD), name)
    assert note in " ".join(getattr(caught.value, "__notes__", []))


def test_an_ambiguous_name_is_an_error(tmp_path: Path) -> None:
    other = DOCKER[:12] + "f" * 52
    both = tree(tmp_path, (*SYSTEMD, f"system.slice/docker-{other}.scope"))
    with pytest.raises(
        AttachError, match=rf"container '{DOCKER[:12]}': 2 match: {DOCKER}, {other}"
    ):
        container(both, DOCKER[:12])
    write(tmp_path / f"root/var/lib/docker/containers/{other}/config.v2.json", {"Name": "/web"})
    with pytest.raises(AttachError, match="container 'web': 2 match"):
        container(both, "web")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (SYSTEMD[0], Located(DOCKER, "", f"docker-{DOCKER}.scope")),
        (SYSTEMD[1], Located(PODMAN, "", f"libpod-{PODMAN}.scope")),
        (SYSTEMD[2], Located(CRI, UID, f"cri-containerd-{CRI}.scope")),
        (SYSTEMD[3], Located(CRIO, "", f"crio-{CRIO}.scope")),
        (SYSTEMD[4], Located("", "", "nginx.service")),
        (SYSTEMD[5], Located("", "", "nginx.service")),
        (CGROUPFS[0], Located(DOCKER)),
        (CGROUPFS[1], Located(PODMAN)),
        (CGROUPFS[2], Located(CRI, UID)),
        (CGROUPFS[3], Located(CRIO)),
        # a static pod's UID is a hash; names below a container are its own
        (f"kubepods/pod{'1a' * 16}/{CRI}", Located(CRI, "1a" * 16)),
        (f"kubepods.slice/kubepods-pod{UNDERSCORED}.slice", Located("", UID)),
        (f"docker/{DOCKER}/system.slice/docker-{CRI}.scope", Located(DOCKER)),
        (
            f"system.slice/containerd.service/kubepods-pod{UNDERSCORED}.slice:cri-containerd:{CRI}",
            Located(CRI, UID, "containerd.service"),
        ),
        ("user.slice/user-1000.slice/session-3.scope", Located("", "", "session-3.scope")),
        ("system.slice", Located()),
        ("", Located()),
    ],
)
def test_a_path_says_what_a_cgroup_belongs_to(path: str, found: Located) -> None:
    assert located(f"/{path}") == found
