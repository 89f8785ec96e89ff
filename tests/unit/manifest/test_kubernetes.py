"""The pods, against Kubernetes' own schemas: a misspelled key is found by the strict ones only."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from beepy.analysis.describe import describe
from beepy.analysis.requirements import Capability
from beepy.manifest import kubernetes
from beepy.manifest.kubernetes import Container
from beepy.manifest.needs import Mount, Needs, of_objects
from beepy.oci.lookup import bundled_store
from beepy.source import parse_all

DIGEST = "sha256:" + 64 * "a"
REFERENCE = f"ghcr.io/me/x@{DIGEST}"
VERSIONS = ("1.35", "1.36", "1.37")  # the first has image volumes by default
EVERYTHING = Needs(
    capabilities=(Capability("CAP_SYS_ADMIN", "perf\nevents"),),
    mounts=(
        Mount("bpffs", "/sys/fs/bpf", "/sys/fs/bpf", "Directory", writable=True),
        Mount("boot", "/boot", "/boot", ""),
    ),
    arguments=("--cgroup", "/host/cgroup"),
    host_network=True,
    host_pid=True,
    metrics=True,
    advice=(),
)
BEEPY = "localhost/beepy:0.1.0"


def pod_of(
    container: Container,
    needs: Needs = EVERYTHING,
    name: str = "x",
    arguments: tuple[str, ...] = (),
) -> dict[str, Any]:
    text = kubernetes.pod(name, container, needs, arguments)
    assert text.isascii()
    pod: dict[str, Any] = yaml.safe_load(text)
    for version in VERSIONS:
        kubernetes_validate.validate(pod, version, strict=True)
    return pod


@pytest.mark.parametrize("name", bundled_store().names())
def test_the_pods_of_the_bundled_images_are_valid(name: str) -> None:
    image = bundled_store().get(name)
    needs = of_objects([describe(image, spec) for spec in parse_all(image, warn=False)])
    volume = kubernetes.volume_container(BEEPY, REFERENCE, ["program.o"])
    for container in (volume, Container("ghcr.io/me/built:1")):
        pod = pod_of(container, needs, name)
        (given,) = pod["spec"]["containers"]
        assert pod["metadata"]["name"] == f"beepy-{name}"
        assert ("annotations" in pod["metadata"]) == needs.metrics
        assert given["securityContext"]["capabilities"] == {
            "drop": ["ALL"],
            "add": [item.name.removeprefix("CAP_") for item in needs.capabilities],
        }
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        assert volumes == {mount["name"] for mount in given["volumeMounts"]}


def test_the_schema_finds_faults() -> None:
    """Image volumes are new, and a key that Kubernetes does not know is an error."""
    pod = pod_of(kubernetes.volume_container(BEEPY, REFERENCE, ["program.o"]))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.30", strict=True)
    capabilities = pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    capabilities["Add"] = capabilities.pop("add")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.37", strict=True)


def test_the_image_is_a_volume() -> None:
    container = kubernetes.volume_container(BEEPY, REFERENCE, ["a.o", "b.o"])
    pod = pod_of(container, arguments=("--iface", "eth0"))
    (given,) = pod["spec"]["containers"]
    assert given["command"] == [
        *("beepy", "run", "/bpf/a.o", "/bpf/b.o", "--pull", "never"),
        *("--prom-host", "0.0.0.0", "--prom-port", "9091"),
    ]
    assert given["args"] == ["--cgroup", "/host/cgroup", "--iface", "eth0"]
    assert pod["spec"]["volumes"][0] == {
        "name": "bpf",
        "image": {"reference": REFERENCE, "pullPolicy": "IfNotPresent"},
    }
    assert given["volumeMounts"][0] == {"name": "bpf", "mountPath": "/bpf", "readOnly": True}


def test_the_container_that_is_built_has_its_command() -> None:
    pod = pod_of(Container("ghcr.io/me/built:1"), arguments=("--iface", "eth0"))
    (given,) = pod["spec"]["containers"]
    assert given["image"] == "ghcr.io/me/built:1"
    assert not {"command", "args"} & given.keys()
    assert "image" not in str(pod["spec"]["volumes"])


def test_privileges_are_the_least() -> None:
    plain = EVERYTHING._replace(
        capabilities=(Capability("CAP_BPF", "load"),),
        mounts=(),
        host_network=False,
        host_pid=False,
        metrics=False,
    )
    pod = pod_of(Container(BEEPY), plain)
    assert not {"hostNetwork", "hostPID"} & pod["spec"].keys()
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["containers"][0]["securityContext"] == {
        "runAsUser": 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["BPF"]},
        "seccompProfile": {"type": "RuntimeDefault"},
        "seLinuxOptions": {"type": "spc_t"},
    }


def test_everything_that_an_image_may_need() -> None:
    pod = pod_of(Container(BEEPY))
    spec, (given,) = pod["spec"], pod["spec"]["containers"]
    assert (spec["hostNetwork"], spec["hostPID"]) == (True, True)
    security = given["securityContext"]
    # with that capability Kubernetes takes it as true anyway
    assert security["allowPrivilegeEscalation"] is True
    assert security["appArmorProfile"] == {"type": "Unconfined"}  # others deny /sys/fs/bpf
    assert {"name": "boot", "hostPath": {"path": "/boot"}} in spec["volumes"]
    assert {"name": "boot", "mountPath": "/boot", "readOnly": True} in given["volumeMounts"]
    assert {"name": "bpffs", "mountPath": "/sys/fs/bpf"} in given["volumeMounts"]


def test_nothing_foreign_leaves_a_comment() -> None:
    text = kubernetes.pod("x", Container(BEEPY), EVERYTHING, ())
    assert "# CAP_SYS_ADMIN: perf\\x0aevents\n" in text


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("exit_snoop.v2", "exit-snoop-v2"),
        ("a" * 100, "a" * 57),
        ("a" * 56 + "_b", "a" * 56),
        ("..", "image"),
        ("Upper", "upper"),
    ],
)
def test_names_are_names_of_dns(name: str, label: str) -> None:
    metadata = pod_of(Container(BEEPY), name=name)["metadata"]
    assert metadata["name"] == f"beepy-{label}"
    assert metadata["labels"]["app.kubernetes.io/instance"] == label
    assert len(metadata["name"]) <= 63
