"""Images pushed by skopeo to a real registry server, in four set-ups, are pulled and verified."""

import hashlib
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from beepy.errors import ImageNotFound, RegistryError
from beepy.oci import descriptor, lookup
from beepy.oci.formats import bee
from beepy.oci.store import Store
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.registry.hostile import digest
from tests.support.told import notes

pytestmark = pytest.mark.registry

PROGRAM = b"\x7fELF" + bytes(range(256)) * 300
REPOSITORY = "solo-io/bumblebee/exitsnoop"


@pytest.fixture(scope="module", params=SETUPS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    with SETUPS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def pushed(server: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Push an image with skopeo; return its digest."""
    store = Store(tmp_path_factory.mktemp("pushed") / "store")
    pushed = store.add_image("x", PROGRAM, {"org.opencontainers.image.description": "a test"})
    target = f"docker://{server.host}/{REPOSITORY}:0.0.14"
    subprocess.run(
        ["skopeo", "copy", "-q", *server.push, f"oci:{store.path}:x", target], check=True
    )
    return pushed


def login(server: Running) -> dict[str, object]:
    return {"username": USER, "password": PASSWORD} if server.wants_login else {}


def test_pull_by_tag_and_by_digest(server: Running, pushed: str, ours: Ours) -> None:
    """Loopback: the two without TLS are found out, no flag says so."""
    for name in (f"{server.host}/{REPOSITORY}:0.0.14", f"{server.host}/{REPOSITORY}@{pushed}"):
        image = ours.pull(name, ca_file=server.ca_file, **login(server))
        assert (image.name, image.digest, image.programs) == (name, pushed, (PROGRAM,))
        assert image.annotations == {"org.opencontainers.image.description": "a test"}
        assert ours.store.get(name) == image
    assert len(ours.store.list()) == 2
    ours.is_clean()


class Counted:
    """A hash that notes what it was the digest of."""

    digests: ClassVar[Counter[str]] = Counter()

    def __init__(self, data: bytes = b"") -> None:
        self._hash = hashlib.sha256(data)

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def hexdigest(self) -> str:
        self.digests["sha256:" + self._hash.hexdigest()] += 1
        return self._hash.hexdigest()


def test_a_pull_hashes_every_blob_once(
    server: Running, pushed: str, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptor, "sha256", Counted)
    monkeypatch.setattr(Counted, "digests", Counter())
    program = digest(PROGRAM)
    name = f"{server.host}/{REPOSITORY}:0.0.14"
    assert ours.pull(name, ca_file=server.ca_file, **login(server)).programs == (PROGRAM,)
    assert Counted.digests == {pushed: 1, program: 1, digest(bee.CONFIG_BODY): 1}
    Counted.digests.clear()
    ours.pull(name, ca_file=server.ca_file, **login(server))
    assert Counted.digests[program] == 1, "as it was read from the store"


@pytest.mark.usefixtures("pushed")
def test_what_is_not_there(server: Running, ours: Ours) -> None:
    with pytest.raises(ImageNotFound, match=rf"manifest: {server.host} does not have it"):
        ours.pull(f"{server.host}/{REPOSITORY}:none", ca_file=server.ca_file, **login(server))


@pytest.mark.parametrize("server", ["htpasswd", "bearer"], indirect=True)
@pytest.mark.usefixtures("pushed")
def test_without_the_right_password(server: Running, ours: Ours) -> None:
    name = f"{server.host}/{REPOSITORY}:0.0.14"
    for wrong in ({}, {"username": USER, "password": "wrong"}):
        with pytest.raises(RegistryError) as caught:
            ours.pull(name, **wrong)
        assert str(caught.value).startswith(name)
        assert "-u and -p" in notes(caught.value)[0]


@pytest.mark.parametrize("server", ["tls"], indirect=True)
@pytest.mark.usefixtures("pushed")
def test_a_registry_under_an_unknown_authority(server: Running, ours: Ours) -> None:
    assert "certificate verification failed" in ours.refuses(f"{server.host}/{REPOSITORY}:0.0.14")
    assert ours.pull(
        f"{server.host}/{REPOSITORY}:0.0.14", ca_file=None, insecure=True
    ).programs == (PROGRAM,)


def test_the_store_of_a_pull_is_skopeos_too(
    server: Running, pushed: str, ours: Ours, tmp_path: Path
) -> None:
    name = f"{server.host}/{REPOSITORY}:0.0.14"
    ours.pull(name, ca_file=server.ca_file, **login(server))
    copy = f"oci-archive:{tmp_path / 'copy.tar'}:x"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{ours.store.path}:{name}", copy], check=True)
    image = lookup.find(str(tmp_path / "copy.tar"), lookup.Options(pull="never"))
    assert (image.digest, image.programs) == (pushed, (PROGRAM,))
