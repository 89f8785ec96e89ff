"""What is committed in images/ is what bpf/ gives, in bee's format."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import Array, Const, Member, Ptr, Struct, Typedef, TypeId, Union, Volatile
from beepy.obj.parse import parse
from beepy.oci.lookup import bundled_store
from beepy.oci.manifest import CREATED, OCI_MANIFEST, REF_NAME, Manifest
from beepy.oci.manifest import parse as parse_manifest
from bpf import build
from tests.oracle.comparison import Families

pytestmark = pytest.mark.oracle

NAMES = tuple(build.IMAGES)
# Not 11: it names a type "long long unsigned int", the others do not.
COMPILERS = ("clang-14", "clang-16", "clang-19")


def _committed(name: str) -> tuple[bytes, Manifest]:
    store = bundled_store()
    found = store.find(name)
    assert found is not None
    data = store.layout.read(found[1])
    manifest = parse_manifest(data, name)
    assert isinstance(manifest, Manifest)
    return data, manifest


def _compiled_by(version: str) -> bool:
    return all(_committed(name)[1].annotations[build.COMPILER] == version for name in NAMES)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_layout_holds_the_images_and_nothing_else() -> None:
    store = bundled_store()
    assert store.path == build.LAYOUT
    assert store.names() == NAMES
    needed = {blob.digest for name in NAMES for blob in _committed(name)[1].blobs}
    needed |= {entry.digest for entry in store.list()}
    files = {f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in needed}
    assert _files(store.path).keys() == files | {"index.json", "oci-layout"}
    assert (store.path / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_is_bees(name: str) -> None:
    data, manifest = _committed(name)
    image = bundled_store().get(name)
    (program,) = image.programs
    notes = json.dumps(dict(sorted(manifest.annotations.items())), separators=(",", ":"))
    expected = (
        '{"schemaVersion":2,"config":{"mediaType":"application/ebpf.oci.image.config.v1+json",'
        '"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,'
        '"annotations":{"org.opencontainers.image.title":"config.json"}},'
        '"layers":[{"mediaType":"application/ebpf.oci.image.program.v1+binary",'
        f'"digest":"{manifest.layers[0].digest}","size":{len(program)},'
        '"annotations":{"org.opencontainers.image.title":"program.o"}}],'
        f'"annotations":{notes}}}'
    )
    assert data.decode() == expected
    assert manifest.annotations["org.opencontainers.image.description"] == build.IMAGES[name]
    assert CREATED not in manifest.annotations


def test_the_index_is_bees_without_a_kernel_version() -> None:
    index = json.loads((build.LAYOUT / "index.json").read_bytes())
    for name, entry in zip(NAMES, index["manifests"], strict=True):
        data, _ = _committed(name)
        assert entry == {
            "mediaType": OCI_MANIFEST,
            "digest": entry["digest"],
            "size": len(data),
            "annotations": {REF_NAME: name},
            "platform": {"architecture": "x86_64", "os": "Linux"},
        }


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_skopeo_reads_the_layout(name: str) -> None:
    command = ["skopeo", "inspect", "--raw", f"oci:{build.LAYOUT}:{name}"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == _committed(name)[0]


def test_the_same_compiler_gives_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    if not shutil.which(build.CLANG) or not _compiled_by(build.version(build.CLANG)):
        pytest.skip(f"{build.CLANG} of the version that made the images is not installed")
    shutil.copytree(build.SOURCES, tmp_path / "elsewhere" / "bpf")
    environment = {**os.environ, "PYTHONPATH": str(build.SOURCES.parent), "CLANG": build.CLANG}
    script = tmp_path / "elsewhere" / "bpf" / "build.py"
    subprocess.run(
        [sys.executable, "-B", script, "images"], check=True, env=environment, cwd=tmp_path
    )
    assert _files(tmp_path / "elsewhere" / "images") == _files(build.LAYOUT)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("clang", COMPILERS, indirect=True)
def test_every_compiler_gives_the_same_programs_maps_and_types(
    name: str, clang: str, families: Families
) -> None:
    (program,) = bundled_store().get(name).programs
    assert list(_outline(families.named(clang)[name].read_bytes())) == list(_outline(program))


def test_no_compiler_has_a_warning(clang: str, families: Families) -> None:
    assert families.made(clang).warnings == ""


def _outline(data: bytes) -> Iterator[object]:
    """Yield what a user sees of an object: programs, maps with their types, variables, licence."""
    spec = parse(data, "object")
    assert spec.btf is not None
    yield spec.license
    yield from sorted((program.name, program.section) for program in spec.programs)
    for table in sorted(spec.maps):
        yield (
            table.name,
            table.section,
            table.type,
            table.key_size,
            table.value_size,
            table.max_entries,
            table.flags,
        )
        if table.contents is None:
            yield _shape(spec.btf, table.key), _shape(spec.btf, table.value)
    for variable in sorted(spec.variables):
        yield (
            variable.name,
            variable.map,
            variable.size,
            variable.const,
            _shape(spec.btf, variable.type),
        )


def _shape(btf: Btf, type_id: TypeId) -> object:
    """Return a type with its members' types in the place of ids."""
    match btf.type(type_id):
        case Struct(name, size, members) | Union(name, size, members):
            return name, size, [_member(btf, member) for member in members]
        case Array(element, _, count):
            return count, _shape(btf, element)
        case Typedef(name, of):
            return name, _shape(btf, of)
        case Const(of) | Volatile(of) as qualifier:
            return type(qualifier).__name__, _shape(btf, of)
        case Ptr():
            return Ptr
        case other:
            return other


def _member(btf: Btf, member: Member) -> object:
    return member.name, member.offset, member.bitfield_size, _shape(btf, member.type)
