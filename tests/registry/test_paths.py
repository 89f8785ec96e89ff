"""What a registry says becomes neither a path nor a terminal's escape.

Where oras-py's own client falls for it, the test shows that too.
"""

import io
import json
import re
import tarfile
from pathlib import Path

import oras.layout
import oras.provider
import pytest

from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_MANIFEST, TITLE
from tests.registry.conftest import Ours, Theirs
from tests.registry.hostile import (
    PROGRAM,
    Hostile,
    digest,
    on,
)

pytestmark = pytest.mark.registry


@pytest.mark.parametrize(
    "absurd",
    [
        "sha256:../../../../escape",
        "../../../escape",
        "/etc/passwd",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha512:" + "a" * 128,
        "sha256:" + "a" * 64 + "/../x",
        "",
        "\x1b]0;title\x07",
    ],
)
def test_an_absurd_digest_of_a_layer(plain: Hostile, ours: Ours, absurd: str) -> None:
    layer = {"mediaType": bee.PROGRAM, "digest": absurd, "size": 4}
    plain.replace_manifest(layers=[layer])
    assert re.match(
        r"UnsupportedImage: .*layer 0: digest '.*': not sha256: and 64 hex",
        ours.refuses(plain.image, plain_http=True),
    )
    assert len(plain.seen) == 1


def test_a_digest_as_a_path(plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path) -> None:
    layer = {"mediaType": bee.PROGRAM, "digest": "sha256:../../../escape", "size": 4}
    plain.replace_manifest(layers=[layer], mediaType=OCI_MANIFEST)
    plain.twists.append(lambda call: call.route.endswith("/escape") and call.answer(200, b"evil"))
    ours.refuses(plain.image, plain_http=True)
    folder = tmp_path / "deep" / "layout"
    oras.layout.NewLayoutFromRegistry(str(folder), theirs.client(plain), plain.image)
    assert (tmp_path / "deep" / "escape").read_bytes() == b"evil"


@pytest.mark.parametrize(
    "header", ["sha256:../../../escape", "../../escape", "sha256:", "\x1b[31msha256:x"]
)
def test_docker_content_digest_as_a_path(
    plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path, header: str
) -> None:
    plain.replace_manifest(mediaType=OCI_MANIFEST)
    plain.twists.append(
        on(
            "/manifests/",
            lambda call: call.answer(200, plain.manifest, Docker_Content_Digest=header),
        )
    )
    assert "Docker-Content-Digest '" in ours.refuses(plain.image, plain_http=True)
    if header == "sha256:../../../escape":
        oras.layout.NewLayoutFromRegistry(
            str(tmp_path / "deep" / "layout"), theirs.client(plain), plain.image
        )
        assert (tmp_path / "deep" / "escape").read_bytes() == plain.manifest


def test_a_title_is_no_path(plain: Hostile, ours: Ours, tmp_path: Path) -> None:
    layer = {"mediaType": bee.PROGRAM, "digest": digest(PROGRAM), "size": len(PROGRAM)}
    title = str(tmp_path / "escape")
    plain.replace_manifest(layers=[{**layer, "annotations": {TITLE: title}}])
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert not Path(title).exists()


def test_a_tar_that_escapes(
    plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """oras-py unpacks such a layer through its own symlink, unless Python (3.14) forbids it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        evil = tarfile.TarInfo("link/evil")
        evil.size = 4
        tar.addfile(evil, io.BytesIO(b"evil"))
    data = packed.getvalue()
    plain.blobs[digest(data)] = data
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    layer = {
        "mediaType": kind,
        "digest": digest(data),
        "size": len(data),
        "annotations": {TITLE: "x"},
    }
    program = json.loads(plain.manifest)["layers"]
    plain.replace_manifest(layers=[layer])
    assert kind in ours.refuses(plain.image, plain_http=True)
    plain.replace_manifest(layers=[layer, *program])
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert list(outside.iterdir()) == []
    monkeypatch.setattr(
        tarfile.TarFile, "extraction_filter", staticmethod(lambda member, _: member), raising=False
    )
    theirs.pull(plain, plain.image)
    assert (outside / "evil").read_bytes() == b"evil"


def test_what_a_registry_says_is_harmless(plain: Hostile, ours: Ours) -> None:
    body = json.dumps(
        {"errors": [{"code": "DENIED\n", "message": "\x1b]0;x\x07 \u202e" + "long" * 500}]}
    ).encode()
    plain.twists.append(lambda call: call.answer(403, body))
    line = ours.refuses(plain.image, plain_http=True)
    assert (
        f"private: {plain.host} answers 403 (DENIED\\x0a: \\x1b]0;x\\x07 \\xe2\\x80\\xaelong"
        in line
    )


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"errors":[]}', b'{"errors":{"a":1}}', b"\xff" * 100, b"[" * 8000]
)
def test_an_error_without_a_reason(plain: Hostile, ours: Ours, body: bytes) -> None:
    plain.twists.append(lambda call: call.answer(400, body))
    assert ours.refuses(plain.image, plain_http=True).endswith(
        f"manifest: {plain.host} answers 400"
    )
