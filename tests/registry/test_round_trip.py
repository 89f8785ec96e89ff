"""What we push to a real registry, in four set-ups, skopeo reads; and we what skopeo pushes."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from beepy.oci import lookup, referrers
from beepy.oci.client import Client
from beepy.oci.descriptor import descriptor_of
from beepy.oci.formats import bee
from beepy.oci.inspect import inspect
from beepy.oci.layout import IndexEntry
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.options import Options
from beepy.oci.push import push
from beepy.oci.reference import parse
from beepy.oci.store import Store
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.registry.hostile import digest

pytestmark = pytest.mark.registry

PROGRAM = b"\x7fELF" + bytes(range(256)) * 300
OTHER = PROGRAM[::-1]


@pytest.fixture(scope="module", params=SETUPS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    with SETUPS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def options(server: Running, ours: Ours) -> Options:
    name, password = (USER, PASSWORD) if server.wants_login else (None, None)
    return Options(
        storage=ours.store.path, username=name, password=password, ca_file=server.ca_file
    )


def skopeo(*arguments: str) -> bytes:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True).stdout


def source_flags(server: Running, prefix: str = "src-") -> list[str]:
    return [flag.replace("dest-", prefix) for flag in server.push]


def raw(server: Running, name: str) -> bytes:
    """Return a manifest as skopeo reads it."""
    return skopeo("inspect", "--raw", *source_flags(server, ""), f"docker://{name}")


def add_index(store: Store, name: str) -> bytes:
    """Store an index for two machines; return its bytes."""
    children: list[dict[str, Any]] = []
    for machine, program in (("amd64", PROGRAM), ("arm64", OTHER)):
        manifest = bee.write_manifest(program, {})
        for blob in (program, bee.CONFIG_BODY, manifest):
            store.layout.add_blob(blob, descriptor_of(blob))
        platform = {"os": "linux", "architecture": machine}
        child = {"mediaType": OCI_MANIFEST, "digest": digest(manifest), "size": len(manifest)}
        children.append({**child, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
    data = json.dumps(index).encode()
    store.put(name, data)
    return data


def test_push_by_tag_and_by_digest(
    server: Running, ours: Ours, options: Options, tmp_path: Path
) -> None:
    stored = ours.store.add_image("x", PROGRAM, {"org.opencontainers.image.description": "<a>"})
    manifest = bee.write_manifest(PROGRAM, {"org.opencontainers.image.description": "<a>"})
    for name in (f"{server.host}/tools/x:1", f"{server.host}/pinned/x@{stored}"):
        assert push("x", name, options) == stored
        assert raw(server, name) == manifest
        second = options._replace(storage=tmp_path / "second")
        image = lookup.pull(name, second)
        assert (image.digest, image.programs) == (stored, (PROGRAM,))
    layout = tmp_path / "theirs"
    copy = [*source_flags(server), f"docker://{server.host}/tools/x:1", f"oci:{layout}:y"]
    skopeo("copy", "-q", *copy)
    assert Store(layout).get("y").digest == stored


def test_a_second_push_sends_nothing_and_another_repository_mounts(
    server: Running, ours: Ours, options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    name = f"{server.host}/first/x:1"
    ours.store.add_image(name, PROGRAM + b"once", {})
    push(name, "", options)
    assert f"sent {len(PROGRAM) + 4} bytes" in caplog.text
    caplog.clear()
    push(name, "", options)
    assert caplog.text.count("exists already") == 2
    assert " sent " not in caplog.text
    caplog.clear()
    push(name, f"{server.host}/second/x:1", options)
    assert caplog.text.count("mounted from first/x") == 2
    assert " sent " not in caplog.text


def test_an_index_there_and_back(
    server: Running, ours: Ours, options: Options, tmp_path: Path
) -> None:
    """A pull fetches it for all machines: it can be pushed again, and copied by skopeo."""
    index = add_index(ours.store, "two")
    name = f"{server.host}/tools/two:1"
    assert push("two", name, options) == digest(index)
    assert raw(server, name) == index
    second = options._replace(storage=tmp_path / "second")
    assert lookup.pull(name, second).programs in {(PROGRAM,), (OTHER,)}
    again = f"{server.host}/again/two:2"
    assert push(name, again, second) == digest(index)
    assert raw(server, again) == index
    copy = ["--all", f"oci:{tmp_path / 'second'}:{name}", f"oci:{tmp_path / 'third'}:{name}"]
    skopeo("copy", "-q", *copy)
    for child in json.loads(index)["manifests"]:
        pinned = f"{server.host}/again/two@{child['digest']}"
        assert digest(raw(server, pinned)) == child["digest"]


def test_a_run_fetches_its_own_machine_of_an_index(
    server: Running, ours: Ours, options: Options, tmp_path: Path
) -> None:
    add_index(ours.store, "two")
    name = f"{server.host}/tools/two:run"
    push("two", name, options)
    second = options._replace(storage=tmp_path / "second")
    image = lookup.find(name, second)
    (other,) = {PROGRAM, OTHER} - {*image.programs}
    assert not Store(tmp_path / "second").layout.has_file(descriptor_of(other))
    lookup.pull(name, second)
    assert Store(tmp_path / "second").layout.has_file(descriptor_of(other))


def test_what_skopeo_pushes(server: Running, options: Options, tmp_path: Path) -> None:
    theirs = Store(tmp_path / "theirs")
    index = add_index(theirs, "two")
    name = f"{server.host}/theirs/two:1"
    copy = [*server.push, f"oci:{theirs.path}:two", f"docker://{name}"]
    skopeo("copy", "--all", "-q", *copy)
    lookup.pull(name, options)
    assert push(name, f"{server.host}/ours/two:1", options) == digest(index)
    assert raw(server, f"{server.host}/ours/two:1") == index


def test_an_archive(server: Running, ours: Ours, options: Options, tmp_path: Path) -> None:
    index = add_index(ours.store, "two")
    archive = tmp_path / "two.tar"
    skopeo("copy", "--all", "-q", f"oci:{ours.store.path}:two", f"oci-archive:{archive}:two")
    name = f"{server.host}/archive/two:1"
    empty = options._replace(storage=tmp_path / "empty")
    assert push(str(archive), name, empty) == digest(index)
    assert raw(server, name) == index


def test_referrers_go_along(server: Running, ours: Ours, options: Options, tmp_path: Path) -> None:
    """This registry has no API for them: they are in the index of the tag, each once."""
    stored = ours.store.add_image("x", PROGRAM + server.host.encode(), {})
    name = f"{server.host}/signed/x:1"
    subject = {"mediaType": OCI_MANIFEST, "digest": stored, "size": 1}
    signatures = []
    for number in range(2):
        blob = b"signature %d" % number
        layer = {"mediaType": "text/plain", "digest": digest(blob), "size": len(blob)}
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": "application/vnd.example.signature",
                "config": {
                    "mediaType": "application/vnd.oci.empty.v1+json",
                    "digest": digest(b"{}"),
                    "size": 2,
                },
                "layers": [layer],
                "subject": subject,
                "annotations": {"number": str(number)},
            }
        ).encode()
        descriptor = descriptor_of(manifest, OCI_MANIFEST)
        for data in (blob, b"{}", manifest):
            ours.store.layout.add_blob(data, descriptor_of(data))
        entry = {"mediaType": OCI_MANIFEST, "digest": descriptor.digest, "size": descriptor.size}
        ours.store.layout.replace_entries(partial(append, entry))
        signatures.append(descriptor.digest)
        push("x", name, options)
        with Client(parse(name), options) as client:
            listed = referrers.of_registry(client, stored)
        assert [referrer.digest for referrer in listed] == signatures
    assert {referrer.artifact_type for referrer in listed} == {"application/vnd.example.signature"}
    assert [referrer.annotations for referrer in listed] == [{"number": "0"}, {"number": "1"}]
    seen = inspect(name, options._replace(pull="always", storage=tmp_path / "empty"))
    assert [referrer.digest for referrer in seen.referrers or ()] == signatures
    assert inspect("x", options).referrers == seen.referrers
    of_signature = inspect(f"{server.host}/signed/x@{signatures[0]}", options)
    assert of_signature.subject == stored


def test_a_signature_under_the_tag_of_a_digest_goes_along(
    server: Running, ours: Ours, options: Options
) -> None:
    """As cosign writes it up to version 2: without a subject."""
    stored = ours.store.add_image("x", PROGRAM + b"old" + server.host.encode(), {})
    tag = f"{stored.replace(':', '-')}.sig"
    ours.store.add_image(f"elsewhere.example/x:{tag}", b"\x7fELF signature", {})
    name = f"{server.host}/old/x:1"
    push("x", name, options)
    assert raw(server, f"{server.host}/old/x:{tag}") == bee.write_manifest(b"\x7fELF signature", {})
    with Client(parse(name), options) as client:
        assert referrers.of_registry(client, stored) == ()


def append(entry: IndexEntry, entries: tuple[IndexEntry, ...]) -> list[IndexEntry]:
    return [*entries, entry]


TRANSFER = """
import resource, sys
from pathlib import Path
from beepy.oci.lookup import pull
from beepy.oci.options import Options
from beepy.oci.push import push

def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

store, host, ca_file, image, other = sys.argv[1:]
options = Options(storage=Path(store), ca_file=Path(ca_file) if ca_file else None)
push("small", f"{host}/large/x:small", options)
pull(f"{host}/large/x:small", options._replace(storage=Path(other)))
before = memory()
push(image, f"{host}/large/x:{image}", options)
print(memory() - before)
if image == "allowed":
    pull(f"{host}/large/x:{image}", options._replace(storage=Path(other)))
    print(memory() - before)
"""


def add_large(store: Store, name: str, size: int) -> None:
    """Store an image with a layer of ``size`` bytes, which no format uses, in a sparse file."""
    hashed = hashlib.sha256()
    for _ in range(size >> 20):
        hashed.update(bytes(1 << 20))
    with (store.path / "blobs" / "sha256" / hashed.hexdigest()).open("wb") as file:
        file.truncate(size)
    body = json.loads(bee.write_manifest(PROGRAM, {}))
    layer = {"mediaType": "text/plain", "digest": f"sha256:{hashed.hexdigest()}", "size": size}
    manifest = json.dumps({**body, "layers": [*body["layers"], layer]}).encode()
    descriptor = descriptor_of(manifest, OCI_MANIFEST)
    store.layout.add_blob(manifest, descriptor)
    store.set_name(name, descriptor)


@pytest.mark.parametrize("server", ["plain", "tls"], indirect=True)
@pytest.mark.parametrize(("image", "size"), [("large", 200 << 20), ("allowed", 63 << 20)])
def test_a_large_layer_is_not_held_in_memory(
    server: Running, ours: Ours, tmp_path: Path, image: str, size: int
) -> None:
    """A layer larger than what beepy pulls can be pushed; neither is held in memory."""
    ours.store.add_image("small", PROGRAM, {})
    add_large(ours.store, image, size)
    places = [ours.store.path, server.host, server.ca_file or "", image, tmp_path / "other"]
    command = [sys.executable, "-c", TRANSFER, *map(str, places)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    grown = [int(line) for line in ran.stdout.split()]
    assert grown
    assert max(grown) < 60_000, "kB"
    print(grown)
