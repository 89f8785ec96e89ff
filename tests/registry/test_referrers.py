"""What refers to a manifest: by the API, its pages, or the tag of registries without it."""

import json
from collections.abc import Sequence

import pytest

from beepy.errors import RegistryError, UnsupportedImage
from beepy.oci import referrers
from beepy.oci.client import Client
from beepy.oci.descriptor import Descriptor
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.options import Options
from beepy.oci.reference import parse
from tests.registry.hostile import Call, Hostile, digest, on

pytestmark = pytest.mark.registry

SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SUBJECT = digest(b"subject")


def index(entries: Sequence[object]) -> bytes:
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    ).encode()


def entry(name: bytes, artifact_type: str = SIGNATURE) -> dict[str, object]:
    return {
        "mediaType": OCI_MANIFEST,
        "digest": digest(name),
        "size": len(name),
        "artifactType": artifact_type,
    }


def listed(server: Hostile, artifact_type: str = "") -> tuple[Descriptor, ...]:
    with Client(parse(server.image), Options(plain_http=True)) as client:
        return referrers.of_registry(client, SUBJECT, artifact_type)


def test_by_the_api(plain: Hostile) -> None:
    body = index([entry(b"a"), entry(b"b", "application/spdx+json"), entry(b"c", "")])
    plain.twists.append(on(f"/referrers/{SUBJECT}", lambda call: call.answer(200, body)))
    assert [item.digest for item in listed(plain)] == [digest(name) for name in (b"a", b"b", b"c")]
    # a server may ignore the query: the list is filtered here too
    assert [item.digest for item in listed(plain, SIGNATURE)] == [digest(b"a"), digest(b"c")]
    assert plain.seen[-1].path.endswith(
        f"/referrers/{SUBJECT}?artifactType=application%2Fvnd.dev.sigstore.bundle.v0.3%2Bjson"
    )


def test_by_the_tag_where_the_api_is_missing(plain: Hostile) -> None:
    body = index([entry(b"a")])
    tag = SUBJECT.replace(":", "-")
    plain.twists.append(on(f"/manifests/{tag}", lambda call: call.answer(200, body)))
    (found,) = listed(plain, SIGNATURE)
    assert (found.digest, found.artifact_type) == (digest(b"a"), SIGNATURE)


def test_none(plain: Hostile) -> None:
    assert listed(plain) == ()


def test_pages_are_followed(plain: Hostile) -> None:
    def answer(call: Call) -> bool:
        if "page=2" in call.path:
            return call.answer(200, index([entry(b"b")]))
        return call.answer(200, index([entry(b"a")]), Link=f'<{call.route}?page=2>; rel="next"')

    plain.twists.append(on("/referrers/", answer))
    assert [item.digest for item in listed(plain)] == [digest(b"a"), digest(b"b")]


@pytest.mark.parametrize(
    ("body", "link", "error", "why"),
    [
        (b"[]", "", UnsupportedImage, "a JSON object is expected"),
        (b"{}", "", UnsupportedImage, "a list of at most 1024 is expected"),
        (index([{}] * 1025), "", UnsupportedImage, "a list of at most 1024 is expected"),
        (index([{"digest": "sha256:1", "size": 1}]), "", UnsupportedImage, "not sha256:"),
        (index([]), "/next", RegistryError, "more than 16 pages"),
        (index([]), "http://127.0.0.1:1/next", RegistryError, "on another host"),
        (bytes(5 << 20), "", RegistryError, "more than 4194304 bytes"),
    ],
    ids=["array", "empty", "many", "digest", "pages", "host", "large"],
)
def test_a_list_of_lies(
    plain: Hostile, body: bytes, link: str, error: type[Exception], why: str
) -> None:
    def answer(call: Call) -> bool:
        return call.answer(200, body, **({"Link": f'<{link}>; rel="next"'} if link else {}))

    plain.twists += [on("/referrers/", answer), on("/next", answer)]
    with pytest.raises(error, match=why):
        listed(plain)


def test_a_registry_that_fails(plain: Hostile) -> None:
    plain.twists.append(on("/referrers/", lambda call: call.answer(500)))
    with pytest.raises(RegistryError, match=r"referrers: .* answers 500"):
        listed(plain)
