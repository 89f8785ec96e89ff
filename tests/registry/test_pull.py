"""Names, indexes, and what a pull leaves behind.

Where oras-py's own client falls for it, the test shows that too.
"""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import oras.layout
import oras.provider
import pytest
import requests

from beepy.errors import ImageError, StoreError
from beepy.oci import lookup, manifest, pull
from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST, machine_platform
from beepy.oci.options import PullPolicy
from beepy.oci.store import Store
from tests.registry.conftest import Ours, Theirs
from tests.registry.hostile import (
    NAME,
    PROGRAM,
    Hostile,
    digest,
)
from tests.support.command import Beepy

pytestmark = pytest.mark.registry


def test_docker_io_is_asked_at_its_own_host(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(_self: requests.Session, _method: str, url: str, **_: object) -> requests.Response:
        asked.append(url)
        raise requests.ConnectionError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(requests.Session, "request", note)
    monkeypatch.setattr(oras.decorator, "time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(
        Exception, match=r"docker\.io/library/exitsnoop:1: docker\.io: connection refused"
    ):
        ours.pull("docker.io/exitsnoop:1")
    assert asked == ["https://registry-1.docker.io/v2/library/exitsnoop/manifests/1"]
    with pytest.raises(requests.ConnectionError):
        oras.provider.Registry().pull("docker.io/exitsnoop:1")
    assert asked[-1] == "https://docker.io/v2/exitsnoop/manifests/1"


def test_an_index_is_resolved(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    child = plain.manifest
    plain.blobs[digest(child)] = child
    entry = {"mediaType": OCI_MANIFEST, "digest": digest(child), "size": len(child)}
    plain.manifest = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [
                {**entry, "platform": {"os": "linux", "architecture": name}}
                for name in ("amd64", "arm64")
            ],
        }
    ).encode()
    plain.manifest_type = OCI_INDEX
    image = ours.pull(plain.image, plain_http=True)
    assert image.programs == (PROGRAM,)
    assert image.platform == machine_platform()
    assert ours.store.get(plain.image) == image
    assert theirs.pull(plain, plain.image) == [], "oras-py calls this a success"


def serve_index(server: Hostile, *programs: bytes) -> list[str]:
    """Serve an index with an image for each of these machines; return their digests."""
    machines, children = ("amd64", "arm64", "riscv64"), []
    for machine, program in zip(machines, programs, strict=False):
        child = bee.write_manifest(program, {})
        server.blobs |= {digest(blob): blob for blob in (program, child)}
        platform = {"os": "linux", "architecture": machine}
        entry = {"mediaType": OCI_MANIFEST, "digest": digest(child), "size": len(child)}
        children.append({**entry, "platform": platform})
    server.manifest = json.dumps({"schemaVersion": 2, "manifests": children}).encode()
    server.manifest_type = OCI_INDEX
    return [str(child["digest"]) for child in children]


def test_an_index_is_pulled_for_all_machines(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run fetches the image of its own machine; so it can go on where another one is missing."""
    monkeypatch.setattr(manifest, "machine_platform", lambda: "linux/amd64")
    children = serve_index(plain, PROGRAM, PROGRAM[::-1])
    assert find(plain, ours) == PROGRAM
    fetched = {seen.path.rpartition("/")[2] for seen in plain.seen}
    assert fetched & {*children, digest(PROGRAM[::-1])} == {children[0]}
    ours.pull(plain.image)
    fetched = {seen.path.rpartition("/")[2] for seen in plain.seen}
    assert fetched >= {*children, digest(PROGRAM[::-1])}
    del plain.blobs[digest(PROGRAM[::-1])]
    other = ours._replace(store=Store(ours.home / "other"))
    assert "does not have it" in other.refuses(plain.image)
    assert find(plain, other) == PROGRAM


def test_an_index_is_held_to_the_limit_of_one_image(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "machine_platform", lambda: "linux/amd64")
    serve_index(plain, PROGRAM, PROGRAM[::-1])
    monkeypatch.setattr(pull, "MAX_IMAGE", 2 * len(PROGRAM))
    assert f"at most {2 * len(PROGRAM)} are allowed" in ours.refuses(plain.image)
    assert not [seen for seen in plain.seen if "/blobs/" in seen.path], "before any layer"
    monkeypatch.setattr(pull, "MAX_IMAGE", 2 * len(PROGRAM) + 2)
    assert ours.pull(plain.image).programs == (PROGRAM,)


def test_a_missing_config_is_forgiven_and_told(
    plain: Hostile, ours: Ours, caplog: pytest.LogCaptureFixture
) -> None:
    config = plain.blobs.pop(digest(b"{}"))
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert "does not have it" in caplog.messages[0]
    assert partial(ours) == [True]
    plain.blobs[digest(config)] = config
    ours.pull(plain.image, plain_http=True)
    assert partial(ours) == [False]


def test_a_pull_that_fails_keeps_what_was_there(plain: Hostile, ours: Ours) -> None:
    before = ours.pull(plain.image, plain_http=True)
    evil = PROGRAM + b"evil"
    plain.manifest = bee.write_manifest(evil, {})
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


OTHER = b"layer that no format uses" * 1000


def with_another_layer(server: Hostile) -> None:
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": digest(OTHER),
        "size": len(OTHER),
    }
    server.blobs[digest(OTHER)] = OTHER
    server.replace_manifest(layers=[*json.loads(server.manifest)["layers"], layer])


def partial(ours: Ours) -> list[bool]:
    return [entry.partial for entry in ours.store.list()]


def find(server: Hostile, ours: Ours, policy: PullPolicy = "missing") -> bytes:
    (program,) = lookup.find(
        server.image, lookup.Options(storage=ours.store.path, pull=policy)
    ).programs
    return program


def test_a_run_fetches_what_its_format_uses(plain: Hostile, ours: Ours) -> None:
    with_another_layer(plain)
    assert find(plain, ours) == PROGRAM
    assert not [seen for seen in plain.seen if digest(OTHER) in seen.path]
    assert partial(ours) == [True]
    plain.seen.clear()
    assert find(plain, ours) == find(plain, ours, "never") == PROGRAM
    assert plain.seen == []
    ours.pull(plain.image)
    assert partial(ours) == [False]
    assert [seen.path for seen in plain.seen if "/blobs/" in seen.path] == [
        f"/v2/{NAME}/blobs/{digest(OTHER)}"
    ]
    assert find(plain, ours, "always") == PROGRAM
    assert partial(ours) == [False]


def test_a_layer_that_no_format_uses_need_not_be_there(plain: Hostile, ours: Ours) -> None:
    """It may lie about its size or be missing: a run does not need it.

    A pull fails, and the entry stays partial.
    """
    with_another_layer(plain)
    for lie in (None, OTHER[:-1], OTHER + b"x"):
        del plain.blobs[digest(OTHER)]
        if lie:
            plain.blobs[digest(OTHER)] = lie
        assert find(plain, ours, "always") == PROGRAM
        with pytest.raises(ImageError, match=digest(OTHER)):
            ours.pull(plain.image)
        assert partial(ours) == [True]
        ours.is_clean()
        plain.blobs[digest(OTHER)] = OTHER


def test_a_large_config_is_not_needed_to_run(plain: Hostile, ours: Ours) -> None:
    config = b"{}" + b" " * (4 << 20)
    plain.blobs[digest(config)] = config
    plain.replace_manifest(
        config={"mediaType": bee.CONFIG, "digest": digest(config), "size": len(config)}
    )
    assert find(plain, ours) == PROGRAM
    assert partial(ours) == [True]
    assert not [seen for seen in plain.seen if digest(config) in seen.path]
    ours.pull(plain.image)
    assert partial(ours) == [False]


def test_a_partial_image_is_not_copied_with_holes(
    plain: Hostile, ours: Ours, tmp_path: Path
) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    copy = [
        "skopeo",
        "copy",
        "-q",
        f"oci:{ours.store.path}:{plain.image}",
        f"oci:{tmp_path / 'copy'}:x",
    ]
    with_another_layer(plain)
    find(plain, ours)
    assert subprocess.run(copy, check=False, capture_output=True).returncode == 1
    assert Store(tmp_path / "copy").names() == ()
    ours.pull(plain.image)
    subprocess.run(copy, check=True)
    assert partial(ours) == [entry.partial for entry in Store(tmp_path / "copy").list()] == [False]


def test_a_partial_image_is_listed_so(plain: Hostile, ours: Ours, home: Path) -> None:
    with_another_layer(plain)
    find(plain, ours)
    beepy = Beepy(home)
    lines = beepy("--storage", str(ours.store.path), "list").out.splitlines()
    column = lines[0].index("PARTIAL")
    assert {
        line[:column].split()[0]: line[column:].split()[0] for line in lines if plain.image in line
    } == {plain.image: "yes"}
    rows = json.loads(beepy("--storage", str(ours.store.path), "list", "-o", "json").out)
    assert {
        row["name"]: row["partial"] for row in rows if row["partial"] or not row["bundled"]
    } == {plain.image: True}
    ours.pull(plain.image)
    assert "PARTIAL" not in beepy("--storage", str(ours.store.path), "list").out


@pytest.mark.parametrize("damage", ["gone", "flipped", "link"])
def test_what_is_damaged_is_mended_by_the_command_that_the_note_names(
    plain: Hostile, ours: Ours, home: Path, tmp_path: Path, damage: str
) -> None:
    ours.pull(plain.image)
    path = ours.store.path / "blobs" / "sha256" / digest(PROGRAM)[7:]
    path.unlink()
    (tmp_path / "precious").write_bytes(PROGRAM)
    if damage == "flipped":
        path.write_bytes(PROGRAM[::-1])
    elif damage == "link":
        path.symlink_to(tmp_path / "precious")
    beepy = Beepy(home)
    done = beepy("--storage", str(ours.store.path), "describe", plain.image)
    assert (done.code, done.said[1]) == (1, f"note: beepy pull {plain.image}")
    assert beepy("--storage", str(ours.store.path), *done.said[1].split()[2:]).code == 0
    assert find(plain, ours, "never") == PROGRAM
    assert (tmp_path / "precious").read_bytes() == PROGRAM
    assert not path.is_symlink()
