"""Signed images come through every door, and others do not; refused, they leave nothing behind."""

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from beepy.errors import ImageError, RegistryError, UntrustedImage
from beepy.oci import lookup, policy
from beepy.oci.descriptor import Descriptor
from beepy.oci.formats import bee
from beepy.oci.image import Image
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.options import Options
from beepy.oci.signatures.signer import Signer
from beepy.oci.stored_referrers import referrers
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.hostile import PROGRAM, Hostile, digest, on
from tests.support import signing
from tests.support.blobs import entry
from tests.support.signing import Holder, Key, bundle, bundle_holder, new_key
from tests.support.told import notes

pytestmark = pytest.mark.registry


def attach(server: Hostile, signed: str, *holders: Holder, tagged: Holder | None = None) -> None:
    """Let the server list these bundles for a digest, and have the old signatures as its tag."""
    for holder in (*holders, *((tagged,) if tagged else ())):
        server.blobs[holder.descriptor.digest] = holder.manifest
        server.blobs.update({digest(blob): blob for blob in holder.blobs})
    index = signing.referrers_index(*holders)
    server.twists.append(on(f"/referrers/{signed}", lambda call: call.answer(200, index)))
    if tagged:
        tag = f"/manifests/{signed.replace(':', '-')}.sig"
        manifest = tagged.manifest
        server.twists.append(on(tag, lambda call: call.answer(200, manifest)))


def top_of(server: Hostile) -> Descriptor:
    return Descriptor(OCI_MANIFEST, digest(server.manifest), len(server.manifest))


def sign(server: Hostile, key: Key, form: str) -> None:
    holder = dict(signing.holders(key, top_of(server)))[form]
    if form == "bundle":
        attach(server, top_of(server).digest, holder)
    else:
        attach(server, top_of(server).digest, tagged=holder)


class Doors(NamedTuple):
    """The same image at three doors."""

    server: Hostile
    ours: Ours
    archive: Path

    def find(self, door: str, rules: policy.Policy) -> Image:
        options = Options(storage=self.ours.store.path, plain_http=True, policy=rules)
        match door:
            case "registry":
                return lookup.find(self.server.image, options._replace(pull="always"))
            case "store":
                return lookup.find(self.server.image, options._replace(pull="never"))
            case _:
                return lookup.find(str(self.archive), options._replace(pull="never"))

    def carry(self) -> None:
        """Bring the image into the store without a policy, and from there into an archive."""
        self.ours.pull(self.server.image, plain_http=True)
        with tarfile.open(self.archive, "w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(self.ours.store.path.rglob("*")):
                tar.add(path, path.relative_to(self.ours.store.path), recursive=False)

    def state(self) -> dict[str, bytes]:
        """Return all files of the store."""
        files = [path for path in self.ours.store.path.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files}


@pytest.fixture
def doors(plain: Hostile, ours: Ours, tmp_path: Path) -> Doors:
    return Doors(plain, ours, tmp_path / "image.tar")


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return new_key(tmp_path / "cosign.pub")


def by(*keys: Key) -> policy.Policy:
    return policy.signed_by([Signer(key=key.path) for key in keys])


DOORS = ["registry", "store", "archive"]


@pytest.mark.parametrize("form", ["bundle", "tag"])
@pytest.mark.parametrize("door", DOORS)
def test_a_signed_image_at_each_door(doors: Doors, key: Key, door: str, form: str) -> None:
    sign(doors.server, key, form)
    doors.carry()
    image = doors.find(door, by(key))
    assert image.programs == (PROGRAM,)
    assert image.signature
    assert (image.signature.signed, image.signature.form) == (digest(doors.server.manifest), form)
    assert image.signature.signer == str(key.path)


@pytest.mark.parametrize("case", ["unsigned", "other key"])
@pytest.mark.parametrize("door", DOORS)
def test_another_image_at_each_door(
    doors: Doors, key: Key, tmp_path: Path, door: str, case: str
) -> None:
    if case == "other key":
        sign(doors.server, new_key(tmp_path / "other.pub"), "bundle")
    doors.carry()
    before = doors.state()
    with pytest.raises(UntrustedImage) as caught:
        doors.find(door, by(key))
    why = {
        "unsigned": f"not signed: no signature of {digest(doors.server.manifest)}",
        "other key": f"not signed by {key.path}: signed by another",
    }
    name = doors.archive if door == "archive" else doors.server.image
    assert str(caught.value) == f"{name}: {why[case]}"
    assert notes(caught.value) == (
        [f"beepy pull {name}"] if (door, case) == ("store", "unsigned") else []
    )
    assert doors.state() == before


def _replayed(key: Key, top: Descriptor) -> Holder:
    return bundle_holder(bundle(key, digest(b"another")), top)


def _other_subject(key: Key, top: Descriptor) -> Holder:
    return bundle_holder(bundle(key, top.digest), top._replace(digest=digest(b"another")))


def _altered(key: Key, top: Descriptor) -> Holder:
    holder = bundle_holder(bundle(key, top.digest), top)
    changed = holder.blobs[1].replace(b'"sig": "', b'"sig": "MAAA')
    manifest = holder.manifest.replace(
        digest(holder.blobs[1]).encode(), digest(changed).encode()
    ).replace(f'"size": {len(holder.blobs[1])}'.encode(), f'"size": {len(changed)}'.encode())
    return Holder(manifest, (holder.blobs[0], changed))


@pytest.mark.parametrize("make", [_replayed, _other_subject, _altered])
def test_a_refused_image_leaves_nothing_behind(
    doors: Doors, key: Key, make: Callable[[Key, Descriptor], Holder]
) -> None:
    """No name, no blob, and no program is fetched."""
    attach(doors.server, top_of(doors.server).digest, make(key, top_of(doors.server)))
    with pytest.raises(UntrustedImage) as caught:
        doors.find("registry", by(key))
    assert str(caught.value).isprintable()
    assert not doors.ours.store.path.exists() or doors.state() == {}
    assert not any(digest(PROGRAM) in seen.path for seen in doors.server.seen)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, ""])
def test_a_refused_index_leaves_nothing_behind(doors: Doors, key: Key, media_type: str) -> None:
    """The manifest for this machine is read before it is known whether the image is signed."""
    child = doors.server.manifest
    doors.server.blobs[digest(child)] = child
    entries = [entry(Descriptor(media_type, digest(child), len(child)))]
    doors.server.manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    ).encode()
    doors.server.manifest_type = OCI_INDEX
    with pytest.raises(UntrustedImage):
        doors.find("registry", by(key))
    assert not doors.ours.store.path.exists() or doors.state() == {}
    # a signature of the manifest suffices, and says so
    subject = Descriptor(OCI_MANIFEST, digest(child), len(child))
    attach(doors.server, digest(child), bundle_holder(bundle(key, digest(child)), subject))
    image = doors.find("registry", by(key))
    assert image.signature
    assert image.signature[:2] == (digest(child), "manifest")
    doors.server.twists.clear()
    stored = doors.find("store", by(key))
    assert stored.signature == image.signature


def test_run_keeps_the_signature_that_it_verified(doors: Doors, key: Key) -> None:
    """Then the store suffices, without the registry; a run without a policy asks for none."""
    sign(doors.server, key, "bundle")
    options = Options(storage=doors.ours.store.path, plain_http=True)
    lookup.find(doors.server.image, options)
    assert not any("referrers" in seen.path for seen in doors.server.seen)
    with pytest.raises(UntrustedImage):
        doors.find("store", by(key))
    doors.find("registry", by(key))
    doors.server.twists.append(lambda call: call.answer(500))
    assert doors.find("store", by(key)).signature
    doors.ours.is_clean()


def test_a_registry_that_fails_refuses_only_under_a_policy(doors: Doors, key: Key) -> None:
    sign(doors.server, key, "bundle")
    doors.server.twists.insert(0, on("/referrers/", lambda call: call.answer(503)))
    with pytest.raises(RegistryError, match=r"referrers: .* answers 503"):
        doors.find("registry", by(key))
    with pytest.raises(ImageError):
        doors.find("store", by(key))
    assert doors.ours.pull(doors.server.image, plain_http=True).signature is None


def test_a_malformed_tag_hides_no_bundle(doors: Doors, key: Key) -> None:
    sign(doors.server, key, "bundle")
    doors.server.twists.insert(0, on(".sig", lambda call: call.answer(200, b"no manifest")))
    assert doors.find("registry", by(key)).signature
    assert doors.find("store", by(key)).signature


def test_broken_signatures_hide_no_sound_one(doors: Doors, key: Key) -> None:
    top = top_of(doors.server)
    missing = bundle_holder(b"a bundle that the registry does not have", top)
    large = bundle_holder(bytes(2 << 20), top)
    sound = bundle_holder(bundle(key, top.digest), top)
    attach(doors.server, top.digest, missing, large, sound)
    del doors.server.blobs[digest(missing.blobs[1])]
    assert doors.find("registry", by(key)).signature
    assert doors.find("store", by(key)).signature


def test_no_registry_adds_signatures_of_other_images(
    doors: Doors, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    """They would crowd out those of an image that came from elsewhere."""
    store = doors.ours.store
    other = store.add_image("r.example/other:1", PROGRAM + b"other", {})
    stored = store.find("r.example/other:1")
    assert stored
    lie = bundle_holder(b"no bundle", stored[1])
    true = bundle_holder(bundle(key, top_of(doors.server).digest), top_of(doors.server))
    attach(doors.server, top_of(doors.server).digest, lie, true)
    doors.ours.pull(doors.server.image, plain_http=True)
    assert referrers(store.layout, other) == ()
    assert f"refers to {other}, not to {digest(doors.server.manifest)}" in caplog.text
    assert doors.find("store", by(key)).signature


def test_signatures_without_end(doors: Doors, key: Key) -> None:
    """At most 32 manifests are fetched, whatever the registry lists."""
    top = top_of(doors.server)
    many = [bundle_holder(bundle(key, digest(b"another")), top) for _ in range(100)]
    attach(doors.server, top.digest, *many)
    with pytest.raises(UntrustedImage, match="of another image"):
        doors.find("registry", by(key))
    fetched = {seen.path.rpartition("/")[2] for seen in doors.server.seen}
    assert len(fetched & {holder.descriptor.digest for holder in many}) == 32


class Registry(NamedTuple):
    """A real registry, without an API of referrers."""

    host: str

    def push(self, name: str, manifest: bytes, media_type: str, *blobs: bytes) -> str:
        """Push a manifest by tag or digest, after its blobs; return the image's name."""
        url = f"http://{self.host}/v2/tools/exitsnoop"
        with requests.Session() as session:
            session.trust_env = False
            for blob in blobs:
                started = session.post(f"{url}/blobs/uploads/", timeout=10)
                target = f"{started.headers['Location']}&digest={digest(blob)}"
                session.put(target, data=blob, timeout=10).raise_for_status()
            headers = {"Content-Type": media_type}
            session.put(
                f"{url}/manifests/{name}", data=manifest, headers=headers, timeout=10
            ).raise_for_status()
        return f"{self.host}/tools/exitsnoop:{name}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    with distribution.plain(tmp_path_factory.mktemp("registry")) as running:
        yield Registry(running.host)


@pytest.mark.parametrize("form", ["bundle", "tag"])
def test_a_real_registry(registry: Registry, ours: Ours, key: Key, form: str) -> None:
    program = PROGRAM + form.encode()
    manifest = bee.write_manifest(program, {})
    image = registry.push(form, manifest, OCI_MANIFEST, program, bee.CONFIG_BODY)
    with pytest.raises(UntrustedImage, match="not signed"):
        ours.pull(image, policy=by(key))
    assert ours.store.list() == ()
    top = Descriptor(OCI_MANIFEST, digest(manifest), len(manifest))
    tag = top.digest.replace(":", "-")
    holder = dict(signing.holders(key, top))[form]
    if form == "bundle":
        name = holder.descriptor.digest
        registry.push(name, holder.manifest, OCI_MANIFEST, *holder.blobs)
        registry.push(tag, signing.referrers_index(holder), OCI_INDEX)
    else:
        registry.push(f"{tag}.sig", holder.manifest, OCI_MANIFEST, *holder.blobs)
    pulled = ours.pull(image, policy=by(key))
    assert pulled.signature
    assert (pulled.signature.form, pulled.programs) == (form, (program,))
    options = Options(storage=ours.store.path, pull="never", policy=by(key))
    assert lookup.find(image, options).signature == pulled.signature
    ours.is_clean()
