"""Names, indexes, and what a pull leaves behind.

Where oras-py's own client falls for it, the test shows that too.
"""

import json
from types import SimpleNamespace

import oras.layout
import oras.provider
import pytest
import requests

from beepy.errors import StoreError
from beepy.oci import formats
from tests.registry.conftest import Ours, Theirs
from tests.registry.hostile import (
    PROGRAM,
    Hostile,
    digest,
)

pytestmark = pytest.mark.registry


def test_docker_io_is_asked_at_its_own_host(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(_self: requests.Session, _method: str, url: str, **_: object) -> requests.Response:
        asked.append(url)
        raise requests.ConnectionError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(requests.Session, "request", note)
    monkeypatch.setattr(oras.decorator, "time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(Exception, match=r"docker\.io/library/exitsnoop:1: docker\.io: connection refused"):
        ours.pull("docker.io/exitsnoop:1")
    assert asked == ["https://registry-1.docker.io/v2/library/exitsnoop/manifests/1"]
    with pytest.raises(requests.ConnectionError):
        oras.provider.Registry().pull("docker.io/exitsnoop:1")
    assert asked[-1] == "https://docker.io/v2/exitsnoop/manifests/1"


def test_an_index_is_resolved(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    child = plain.manifest
    plain.blobs[digest(child)] = child
    entry = {"mediaType": formats.OCI_MANIFEST, "digest": digest(child), "size": len(child)}
    plain.manifest = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [{**entry, "platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")],
        }
    ).encode()
    plain.manifest_type = formats.OCI_INDEX
    image = ours.pull(plain.image, plain_http=True)
    assert image.programs == (PROGRAM,)
    assert image.platform == formats.machine_platform()
    assert ours.store.get(plain.image) == image
    assert theirs.pull(plain, plain.image) == [], "oras-py calls this a success"


def test_a_missing_config_is_forgiven(plain: Hostile, ours: Ours) -> None:
    del plain.blobs[digest(b"{}")]
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)


def test_a_pull_that_fails_keeps_what_was_there(plain: Hostile, ours: Ours) -> None:
    before = ours.pull(plain.image, plain_http=True)
    evil = PROGRAM + b"evil"
    plain.manifest = formats.bee_manifest(evil, {})
    plain.blobs[digest(evil)] = PROGRAM + b"liar"
    with pytest.raises(Exception, match="content is"):
        ours.pull(plain.image, plain_http=True)
    assert ours.store.get(plain.image) == before


def test_oras_layout_reads_no_bee_store(plain: Hostile, ours: Ours) -> None:
    """Their manifests carry no mediaType; the store of ours reads them."""
    ours.pull(plain.image, plain_http=True)
    with pytest.raises(ValueError, match="Unsupported manifest mediaType"):
        oras.layout.NewLayout(str(ours.store.path)).get_ordered_blobs(plain.image)


def test_a_store_that_cannot_be_written(plain: Hostile, ours: Ours) -> None:
    ours.store.path.write_text("a file")
    with pytest.raises(StoreError, match=r"(Not a directory|File exists)$"):
        ours.pull(plain.image, plain_http=True)
