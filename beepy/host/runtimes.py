"""Which names containers and pods have, read from the files of container runtimes on the host.

The layouts are the runtimes' own: docker's ``config.v2.json``, podman's and CRI-O's
``containers.json`` and ``config.json`` of the bundle, containerd's ``config.json`` of the bundle,
and the kubelet's directories of logs, NAMESPACE_NAME_UID.
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
    for storage in _STORAGE:
        listed = _json(root, f"{storage}/overlay-containers/containers.json")
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                names = entry.get("names")
                for name in names if isinstance(names, list) else ():
                    if isinstance(name, str):
                        yield entry["id"], name
        for identity in _entries(root, f"{storage}/overlay-containers", unreadable):
            path = f"{storage}/overlay-containers/{identity}/userdata"
            yield from _of_bundle(root, path, identity)


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
