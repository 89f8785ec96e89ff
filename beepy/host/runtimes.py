"""Which names containers and pods have, read from the files of container runtimes on the host.

The layouts are the runtimes' own: docker's ``config.v2.json``, podman's and CRI-O's
``containers.json`` and ``config.json`` of the bundle, containerd's ``config.json`` of the bundle,
and the kubelet's directories of logs, NAMESPACE_NAME_UID. crun and runc, when nothing else started
them, have only ids, and files that say which cgroup each has.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

_DOCKER: Final = "var/lib/docker/containers"
_CONTAINERD: Final = "run/containerd/io.containerd.runtime.v2.task"
_STORAGE: Final = ("var/lib/containers/storage", "run/containers/storage")
_POD_LOGS: Final = "var/log/pods"
_MAX_FILES: Final = 1 << 13
_MAX_SIZE: Final = 4 << 20  # bytes of one file
_NAMES: Final = ("io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name")
_POD_NAMES: Final = ("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name")
_POD_NAMESPACES: Final = ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace")
_CRUN: Final = "run/crun"
_RUNC: Final = "run/runc"
_CGROUPS: Final = "/sys/fs/cgroup/"  # where runc sees cgroups


class Containers(NamedTuple):
    """The ids of the containers of each name, and the directories that cannot be read."""

    ids: dict[str, set[str]]
    unreadable: tuple[str, ...]


class Pod(NamedTuple):
    """A pod as the kubelet names it."""

    namespace: str
    name: str
    uid: str


class Pods(NamedTuple):
    """The pods with logs on this machine, and the directories that cannot be read."""

    pods: tuple[Pod, ...]
    unreadable: tuple[str, ...]


class Described(NamedTuple):
    """The name of a container, and those of its pod; "" for what is not known."""

    name: str = ""
    pod: str = ""
    namespace: str = ""


def described(identity: str, root: str = "/") -> Described:
    """Return what the runtimes' files under ``root`` say of the container with this whole id."""
    config = _json(root, f"{_DOCKER}/{identity}/config.v2.json")
    if isinstance(config, dict) and isinstance(name := config.get("Name"), str):
        inner = config.get("Config")
        labels = inner.get("Labels") if isinstance(inner, dict) else None
        known = _described(labels)
        return known._replace(name=known.name or name.removeprefix("/"))
    for directory in _bundles(root, identity):
        config = _json(root, f"{directory}/config.json")
        known = _described(config.get("annotations") if isinstance(config, dict) else None)
        if any(known):
            return known
    names = (name for other, name in _of_storage(root) if other == identity)
    return Described(next(names, ""))


def _described(annotations: object) -> Described:
    if not isinstance(annotations, dict):
        return Described()
    texts = [
        next((text for key in keys if isinstance(text := annotations.get(key), str)), "")
        for keys in (_NAMES, _POD_NAMES, _POD_NAMESPACES)
    ]
    return Described(*texts)


def _bundles(root: str, identity: str) -> Iterator[str]:
    """Yield where containerd, podman and CRI-O may keep the bundle of a container."""
    for namespace in _entries(root, _CONTAINERD, []):
        yield f"{_CONTAINERD}/{namespace}/{identity}"
    for storage in _STORAGE:
        yield f"{storage}/overlay-containers/{identity}/userdata"


def by_cgroup(root: str = "/") -> dict[str, str]:
    """Return the ids of the containers of crun and runc by the paths of their cgroups."""
    ids: dict[str, str] = {}
    for identity in _entries(root, _CRUN, []):
        status = _json(root, f"{_CRUN}/{identity}/status")
        path = status.get("cgroup-path") if isinstance(status, dict) else None
        if isinstance(path, str) and path.strip("/"):
            ids[f"/{path.strip('/')}"] = identity
    for identity in _entries(root, _RUNC, []):
        state = _json(root, f"{_RUNC}/{identity}/state.json")
        paths = state.get("cgroup_paths") if isinstance(state, dict) else None
        for controller, path in paths.items() if isinstance(paths, dict) else ():
            if isinstance(path, str) and path.startswith(_CGROUPS):
                below = path.removeprefix(_CGROUPS)
                below = below.partition("/")[2] if controller else below  # v1: the controller's
                ids[f"/{below.strip('/')}"] = identity
    ids.pop("/", None)
    return ids


def containers(root: str = "/") -> Containers:
    """Return the containers that the runtimes under ``root`` know, running or not."""
    ids: dict[str, set[str]] = {}
    unreadable: list[str] = []
    for identity, name in _named(root, unreadable):
        ids.setdefault(name, set()).add(identity)
    return Containers(ids, tuple(unreadable))


def pods(root: str = "/") -> Pods:
    """Return the pods of which the kubelet keeps logs under ``root``."""
    unreadable: list[str] = []
    entries = [name.split("_") for name in _entries(root, _POD_LOGS, unreadable)]
    return Pods(tuple(Pod(*parts) for parts in entries if len(parts) == 3), tuple(unreadable))


def _named(root: str, unreadable: list[str]) -> Iterator[tuple[str, str]]:
    """Yield id and name of each container."""
    for identity in _entries(root, _DOCKER, unreadable):
        docker = _json(root, f"{_DOCKER}/{identity}/config.v2.json")
        if isinstance(docker, dict) and isinstance(name := docker.get("Name"), str):
            yield identity, name.removeprefix("/")
    for namespace in _entries(root, _CONTAINERD, unreadable):
        for identity in _entries(root, f"{_CONTAINERD}/{namespace}", unreadable):
            yield from _of_bundle(root, f"{_CONTAINERD}/{namespace}/{identity}", identity)
    yield from _of_storage(root)
    for storage in _STORAGE:
        for identity in _entries(root, f"{storage}/overlay-containers", unreadable):
            path = f"{storage}/overlay-containers/{identity}/userdata"
            yield from _of_bundle(root, path, identity)


def _of_storage(root: str) -> Iterator[tuple[str, str]]:
    """Yield id and name of each container that podman or CRI-O lists."""
    for storage in _STORAGE:
        listed = _json(root, f"{storage}/overlay-containers/containers.json")
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                names = entry.get("names")
                for name in names if isinstance(names, list) else ():
                    if isinstance(name, str):
                        yield entry["id"], name


def _of_bundle(root: str, path: str, identity: str) -> Iterator[tuple[str, str]]:
    config = _json(root, f"{path}/config.json")
    annotations = config.get("annotations") if isinstance(config, dict) else None
    if isinstance(annotations, dict):
        for key in _NAMES:
            if isinstance(name := annotations.get(key), str):
                yield identity, name


def _entries(root: str, path: str, unreadable: list[str]) -> list[str]:
    """Return the names in a directory, none if it does not exist."""
    directory = os.path.join(root, path)  # noqa: PTH118
    try:
        return sorted(os.listdir(directory))[:_MAX_FILES]  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        unreadable.append(directory)
        return []


def _json(root: str, path: str) -> object:
    """Return the contents of a file, None if it cannot be read or is no JSON."""
    with suppress(OSError, ValueError, RecursionError):
        file = os.open(os.path.join(root, path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # noqa: PTH118
        with os.fdopen(file, "rb") as stream:
            parsed: object = json.loads(stream.read(_MAX_SIZE))
            return parsed
    return None
