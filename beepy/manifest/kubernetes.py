"""The Kubernetes pod that runs an image with the least privileges that it needs."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from beepy.manifest.containerfile import HEALTH_PATH, METRICS_PORT, SERVE, command
from beepy.manifest.needs import Needs
from beepy.text import excerpt

VOLUME_PATH: Final = "/bpf"
"""Where the pod sees the files of an image that is a volume."""

_VOLUME_NEEDS: Final = (
    "The volume needs Kubernetes 1.35 (1.31 with the feature gate ImageVolume) and CRI-O 1.33;",
    "containerd mounts nothing but tar layers: there, run the container that is built.",
)
_MAX_NAME: Final = 63  # characters of a label's value, and of a pod's host name


class Container(NamedTuple):
    """A container image; ``words`` is the command that replaces the image's own, () for none.

    ``volume`` is the reference of the image whose files it sees in ``VOLUME_PATH``, "" for none.
    """

    image: str
    words: Sequence[str] = ()
    volume: str = ""


def volume_container(beepy_image: str, reference: str, files: Sequence[str]) -> Container:
    """Return a container of beepy alone, with the image as a volume that has ``files``."""
    paths = [f"{VOLUME_PATH}/{name}" for name in files]
    return Container(beepy_image, [*command(*paths), *SERVE], reference)


def pod(name: str, container: Container, needs: Needs, arguments: Sequence[str]) -> str:
    """Return the pod as YAML; ``arguments`` are for ``beepy run``."""
    import yaml  # noqa: PLC0415 - only where a manifest is written

    comments = [
        "Written by beepy package.",
        *(_VOLUME_NEEDS if container.volume else ()),
        *[f"{item.name}: {excerpt(item.reason, 200)}" for item in needs.capabilities],
    ]
    body = yaml.safe_dump(_pod(name, container, needs, arguments), sort_keys=False, width=100)
    return "".join([f"# {comment}\n" for comment in comments]) + body


def _pod(
    name: str, container: Container, needs: Needs, arguments: Sequence[str]
) -> dict[str, object]:
    instance = _label(name)
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/path": "/metrics",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"beepy-{instance}"[:_MAX_NAME].rstrip("-"),
            "labels": {
                "app.kubernetes.io/name": "beepy",
                "app.kubernetes.io/instance": instance,
            },
            **({"annotations": annotations} if needs.metrics else {}),
        },
        "spec": {
            "automountServiceAccountToken": False,
            **({"hostNetwork": True} if needs.host_network else {}),
            **({"hostPID": True} if needs.host_pid else {}),
            "containers": [_container(container, needs, arguments)],
            "volumes": [*_volumes(container, needs)],
        },
    }


def _container(container: Container, needs: Needs, arguments: Sequence[str]) -> dict[str, object]:
    # the container that the Containerfile makes has them already
    given = [*needs.arguments, *arguments] if container.words else []
    return {
        "name": "beepy",
        "image": container.image,
        **({"command": list(container.words)} if container.words else {}),
        **({"args": given} if given else {}),
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "livenessProbe": {
            "httpGet": {"path": HEALTH_PATH, "port": "metrics"},
            "periodSeconds": 30,
            "timeoutSeconds": 5,
        },
        "securityContext": _security(needs),
        "volumeMounts": [*_volume_mounts(container, needs)],
    }


def _security(needs: Needs) -> dict[str, object]:
    names = [item.name.removeprefix("CAP_") for item in needs.capabilities]
    # AppArmor's profiles of containerd and CRI-O deny writing to /sys/fs/bpf.
    writes = any(mount.writable for mount in needs.mounts)
    return {
        "runAsUser": 0,  # others would need ambient capabilities, which Kubernetes does not set
        "privileged": False,
        # With CAP_SYS_ADMIN it is true whatever is written.
        "allowPrivilegeEscalation": "SYS_ADMIN" in names,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": names},
        "seccompProfile": {"type": "RuntimeDefault"},
        **({"appArmorProfile": {"type": "Unconfined"}} if writes else {}),
        # SELinux denies bpf(2) to the default type; without SELinux this has no effect.
        "seLinuxOptions": {"type": "spc_t"},
    }


def _volumes(container: Container, needs: Needs) -> list[dict[str, object]]:
    volumes: list[dict[str, object]] = [{"name": "run", "emptyDir": {"medium": "Memory"}}]
    if container.volume:
        image = {"reference": container.volume, "pullPolicy": "IfNotPresent"}
        volumes.insert(0, {"name": "bpf", "image": image})
    for mount in needs.mounts:
        host_path = {"path": mount.path, **({"type": mount.kind} if mount.kind else {})}
        volumes.append({"name": mount.name, "hostPath": host_path})
    return volumes


def _volume_mounts(container: Container, needs: Needs) -> list[dict[str, object]]:
    # not /run/beepy: beepy trusts no directory that others may write, as a volume's root
    mounts: list[dict[str, object]] = [{"name": "run", "mountPath": "/run"}]
    if container.volume:
        mounts.insert(0, {"name": "bpf", "mountPath": VOLUME_PATH, "readOnly": True})
    for mount in needs.mounts:
        read_only = {} if mount.writable else {"readOnly": True}
        mounts.append({"name": mount.name, "mountPath": mount.mount_path, **read_only})
    return mounts


def _label(name: str) -> str:
    """Return a name as DNS takes it: letters, digits and hyphens."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return label[: _MAX_NAME - len("beepy-")].rstrip("-") or "image"
