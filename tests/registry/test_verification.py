"""What is not what its digest says is refused.

Where oras-py's own client falls for it, the test shows that too.
"""

import json
import re

import pytest

from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from tests.registry.conftest import Ours, Theirs
from tests.registry.hostile import (
    PROGRAM,
    Call,
    Hostile,
    digest,
    on,
    program_is,
)

pytestmark = pytest.mark.registry


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def test_an_honest_answer_is_taken(plain: Hostile, tls: Hostile, ours: Ours) -> None:
    for server in (plain, tls):
        for image in (server.image, server.pinned):
            assert ours.pull(image, plain_http=not server.tls).programs == (PROGRAM,)
            assert ours.store.get(image).name == image
    ours.is_clean()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (flipped(PROGRAM), "DigestMismatch: .*content is sha256:.*, expected sha256:"),
        (PROGRAM[:-7], f"DigestMismatch: .*{len(PROGRAM) - 7} bytes, expected {len(PROGRAM)}"),
        (PROGRAM + b"more", f"DigestMismatch: .*more than the expected {len(PROGRAM)} bytes"),
        (b"", "DigestMismatch: .*0 bytes"),
    ],
    ids=["flipped", "truncated", "extended", "empty"],
)
def test_a_wrong_blob(plain: Hostile, ours: Ours, theirs: Theirs, body: bytes, why: str) -> None:
    plain.twists.append(program_is(body))
    assert re.match(why, ours.refuses(plain.image, plain_http=True))
    assert theirs.program(plain, plain.image) == body


def test_a_blob_cut_off_within_its_announced_length(plain: Hostile, ours: Ours) -> None:
    def cut(call: Call) -> bool:
        call.close_connection = True
        return call.answer(200, PROGRAM[:100], Content_Length=str(len(PROGRAM)))

    plain.twists.append(on(f"/blobs/{digest(PROGRAM)}", cut))
    assert "closed before the end" in ours.refuses(plain.image, plain_http=True)


def test_an_encoded_blob_is_not_decoded(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    """A bomb in gzip stays as small as it came."""
    import gzip

    bomb = gzip.compress(bytes(8 << 20))
    twist = on(
        f"/blobs/{digest(PROGRAM)}", lambda call: call.answer(200, bomb, Content_Encoding="gzip")
    )
    plain.twists.append(twist)
    assert "DigestMismatch" in ours.refuses(plain.image, plain_http=True)
    assert len(theirs.program(plain, plain.image)) == 8 << 20


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_corrupt_manifest(plain: Hostile, ours: Ours, theirs: Theirs, by: str) -> None:
    image, right = plain.image if by == "tag" else plain.pinned, digest(plain.manifest)
    corrupt = plain.manifest.replace(b"program.o", b"program.p")
    plain.twists.append(
        on("/manifests/", lambda call: call.answer(200, corrupt, Docker_Content_Digest=right))
    )
    assert re.match(
        f"DigestMismatch: .*content is .*, expected {right}", ours.refuses(image, plain_http=True)
    )
    assert theirs.pull(plain, image)[0].endswith("program.p")


def test_the_manifest_of_another_image(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    """For a digest, it sends a consistent other image with that one's Docker-Content-Digest."""
    pinned, evil = plain.pinned, PROGRAM + b"evil"
    plain.blobs[digest(evil)] = evil
    plain.manifest = bee.write_manifest(evil, {})
    plain.twists.append(
        on(
            "/manifests/",
            lambda call: call.answer(
                200, plain.manifest, Docker_Content_Digest=digest(plain.manifest)
            ),
        )
    )
    assert "DigestMismatch" in ours.refuses(pinned, plain_http=True)
    assert theirs.program(plain, pinned) == evil


def test_an_index_whose_child_is_another(plain: Hostile, ours: Ours) -> None:
    child = {"mediaType": OCI_MANIFEST, "digest": digest(b"other"), "size": len(plain.manifest)}
    plain.blobs[digest(b"other")] = plain.manifest
    plain.manifest = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
    plain.manifest_type = OCI_INDEX
    plain.twists.append(
        on(digest(b"other"), lambda call: call.answer(200, bee.write_manifest(PROGRAM, {})))
    )
    assert "DigestMismatch" in ours.refuses(plain.image, plain_http=True)
