"""Images in formats of other projects whose metadata is mutated: YAML, labels, package.json.

YAML is written as JSON, which is YAML too.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from beepy import yaml_text
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of
from beepy.oci.formats import exporter, gadget
from beepy.oci.manifest import OCI_MANIFEST, REF_NAME, TITLE
from tests.support import packed
from tests.support.eunomia import META
from tests.support.mutate_images import LAYOUT, NAME, VALUES, Blobs, add, mutated

HOSTILE: Final = "\x1b[2J\u202e\n\u2028\0"
_MORE: Final[tuple[Any, ...]] = (
    "true", "false", "0x10", "-1", "1e3", "9" * 400, "0x" + "f" * 400, ".nan", "1h" * 1000,
    "1m30s", HOSTILE, HOSTILE * 500, "x" * 70_000, "(a+)+" * 50, "(" * 2000, "[[:word:]]{1000}",
    "___", "events", "calls", "stack", "gadget_program_disabled", "lo", "syscalls/sys_enter_kill",
    "pid", "op", "proc", "user", "number", "error", "error_raw", "proc.creds",
    "struct event", "exp2", "linear", "fixed", "uint", "regexp", "static_map",
    ["uint"], [{"name": "uint"}], {"name": "calls_total"}, [{}] * 300, {"slots": 1},
    {str(number): "x" for number in range(300)},
)  # fmt: skip


class Format(NamedTuple):
    """``metadata`` is JSON; ``image`` makes an image of its mutant and of an object.

    ``keys`` are what mutants may have besides the keys that stand there.
    """

    metadata: object
    image: Callable[[bytes, bytes], Blobs]
    keys: tuple[str, ...] = ()


def mutant(form: Format, program: bytes, rng: Random) -> Blobs:
    """Return an image of the format with mutated metadata."""
    keys = (*_keys(form.metadata), *form.keys, "", HOSTILE, "<<")
    data = mutated(json.dumps(form.metadata).encode(), rng, keys, (*VALUES, *_MORE))
    return form.image(program, data)


def _keys(node: object) -> list[str]:
    if isinstance(node, list):
        return [key for item in node for key in _keys(item)]
    if isinstance(node, dict):
        return [*node, *[key for value in node.values() for key in _keys(value)]]
    return []


def _blobs(blobs: dict[str, bytes], manifest: bytes) -> Blobs:
    top = {**add(blobs, manifest, OCI_MANIFEST), "annotations": {REF_NAME: NAME}}
    names = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
    return Blobs(LAYOUT, names, blobs)


def _gadget(program: bytes, metadata: bytes) -> Blobs:
    blobs: dict[str, bytes] = {}
    body = {
        "schemaVersion": 2,
        "artifactType": gadget.ARTIFACT,
        "config": add(blobs, metadata, gadget.CONFIG),
        "layers": [add(blobs, program, gadget.PROGRAM)],
    }
    return _blobs(blobs, json.dumps(body).encode())


def _exporter(program: bytes, metadata: bytes) -> Blobs:
    blobs: dict[str, bytes] = {}
    layers = [(metadata, exporter.CONFIG, "x.yaml"), (program, exporter.OBJECT, "x.bpf.o")]
    body = {
        "schemaVersion": 2,
        "artifactType": exporter.ARTIFACT,
        "config": add(blobs, b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [
            {**add(blobs, data, kind), "annotations": {TITLE: title}}
            for data, kind, title in layers
        ],
    }
    return _blobs(blobs, json.dumps(body).encode())


class _Added:
    """Blobs in a dict, as ``packed`` wants them."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def add(self, data: bytes, media_type: str = "") -> Descriptor:
        self.blobs[digest_of(data)] = data
        return descriptor_of(data, media_type)


def _bpfman(program: bytes, metadata: bytes) -> Blobs:
    place = _Added()
    layer = packed.tar({"program.bpf.o": program})
    manifest = packed.manifest(place, packed.OCI, {}, layer)
    body = json.loads(manifest)
    body["config"] = add(place.blobs, metadata, packed.OCI[0])
    return _blobs(place.blobs, json.dumps(body).encode())


def _eunomia(program: bytes, metadata: bytes) -> Blobs:
    place = _Added()
    package = packed.package(program, "HERE").replace(b'"HERE"', metadata)
    return _blobs(place.blobs, packed.manifest(place, packed.WASM, {}, package))


_GADGET: Final = {
    "name": "trace",
    "datasources": {
        "calls": {
            "annotations": {
                "ebpf.rest.name": "payload",
                "ebpf.rest.len": "rest_len",
                "metrics.collect": "true",
            },
            "fields": {
                "mode": {"annotations": {"columns.hidden": "true", "template": "pid"}},
                "call_raw": {"annotations": {"json.skip": "true", "columns.alias": "x"}},
                "number": {"annotations": {"columns.width": "8", "columns.alignment": "right"}},
                "proc.pid": {"annotations": {"metrics.type": "key"}},
            },
        },
        "top": {"fields": {"count": {"annotations": {"columns.minwidth": "8"}}}},
    },
    "params": {
        "ebpf": {
            "targ_op": {"key": "op", "defaultValue": "5", "description": "the operation"},
            "verbose": {"key": "verbose", "defaultValue": "false"},
        }
    },
    "programs": {
        "sampler": {
            "attach_to": "x",
            "perf": {"type": "software", "config": "count_sw_cpu_clock"},
            "sampler": {"frequency": "49"},
        }
    },
}


# as JSON all scalars are texts, which is what the reader makes of them
_EXPORTER: Final = yaml_text.load(
    (Path(__file__).parents[1] / "kernel" / "exporter.yaml").read_bytes(), "exporter.yaml"
)
_LABELS: Final = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Labels": {
            "io.ebpf.programs": '{"count": "xdp", "other": "tc"}',
            "io.ebpf.maps": "{}",
            "io.ebpf.program_type": "xdp",
            "io.ebpf.program_name": "count",
        }
    },
}
FORMATS: Final[Mapping[str, Format]] = {
    "gadget": Format(
        _GADGET,
        _gadget,
        ("ebpfParams", "metrics.type", "metrics.name", "metrics.boundaries", "defaultValue"),
    ),
    "exporter": Format(_EXPORTER, _exporter, ("flush_interval", "perf_event_array")),
    "bpfman": Format(_LABELS, _bpfman, ("io.ebpf.bpf_function_name", "io.ebpf.filename")),
    "eunomia": Format(
        META,
        _eunomia,
        ("export_config", "enable_multiple_export_types", "clear_map", "long", "short"),
    ),
}
"""Each format whose images say more than their objects."""
