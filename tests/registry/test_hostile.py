"""A registry that lies, leaks, drips or is silent. Where oras-py's own client falls for it, the test shows that too."""

import base64
import contextlib
import io
import json
import re
import select
import socket
import ssl
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import oras.layout
import oras.provider
import pytest
import requests

from beepy.errors import StoreError, UsageError
from beepy.oci import formats, registry, transport
from tests.registry.conftest import Authority, Ours, Theirs
from tests.registry.hostile import (
    NAME,
    PROGRAM,
    Call,
    Hostile,
    Seen,
    challenge,
    digest,
    give_token,
    on,
    program_is,
    redirect,
    serving,
)

pytestmark = pytest.mark.registry

BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


def test_an_honest_answer_is_taken(plain: Hostile, tls: Hostile, ours: Ours) -> None:
    for server in (plain, tls):
        for image in (server.image, server.pinned):
            assert ours.pull(image, plain_http=not server.tls).programs == (PROGRAM,)
            assert ours.store.get(image).name == image
    ours.is_clean()


# What is not what its digest says.


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
    assert "cut short" in ours.refuses(plain.image, plain_http=True)


def test_an_encoded_blob_is_not_decoded(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    """A bomb in gzip stays as small as it came."""
    import gzip

    bomb = gzip.compress(bytes(8 << 20))
    twist = on(f"/blobs/{digest(PROGRAM)}", lambda call: call.answer(200, bomb, Content_Encoding="gzip"))
    plain.twists.append(twist)
    assert "DigestMismatch" in ours.refuses(plain.image, plain_http=True)
    assert len(theirs.program(plain, plain.image)) == 8 << 20


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_corrupt_manifest(plain: Hostile, ours: Ours, theirs: Theirs, by: str) -> None:
    image, right = plain.image if by == "tag" else plain.pinned, digest(plain.manifest)
    corrupt = plain.manifest.replace(b"program.o", b"program.p")
    plain.twists.append(on("/manifests/", lambda call: call.answer(200, corrupt, Docker_Content_Digest=right)))
    assert re.match(f"DigestMismatch: .*content is .*, expected {right}", ours.refuses(image, plain_http=True))
    assert theirs.pull(plain, image)[0].endswith("program.p")


def test_the_manifest_of_another_image(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    """Asked by digest, it sends a consistent other image with its own right Docker-Content-Digest."""
    pinned, evil = plain.pinned, PROGRAM + b"evil"
    plain.blobs[digest(evil)] = evil
    plain.manifest = formats.bee_manifest(evil, {})
    plain.twists.append(
        on(
            "/manifests/",
            lambda call: call.answer(200, plain.manifest, Docker_Content_Digest=digest(plain.manifest)),
        )
    )
    assert "DigestMismatch" in ours.refuses(pinned, plain_http=True)
    assert theirs.program(plain, pinned) == evil


def test_an_index_whose_child_is_another(plain: Hostile, ours: Ours) -> None:
    child = {"mediaType": formats.OCI_MANIFEST, "digest": digest(b"other"), "size": len(plain.manifest)}
    plain.blobs[digest(b"other")] = plain.manifest
    plain.manifest = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
    plain.manifest_type = formats.OCI_INDEX
    plain.twists.append(on(digest(b"other"), lambda call: call.answer(200, formats.bee_manifest(PROGRAM, {}))))
    assert "DigestMismatch" in ours.refuses(plain.image, plain_http=True)


# What is too much, too slow, or nothing.


def test_an_endless_body(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    enough = 16 << 20

    def pour(call: Call) -> bool:
        call.send_response_only(200)
        call.end_headers()
        call.close_connection = True
        poured = 0
        with contextlib.suppress(OSError):
            while poured < enough:
                call.wfile.write(bytes(1 << 20))
                poured += 1 << 20
        sizes.append(poured)
        return True

    sizes: list[int] = []
    plain.twists.append(on(f"/blobs/{digest(PROGRAM)}", pour))
    assert "more than the expected" in ours.refuses(plain.image, plain_http=True)
    assert len(theirs.program(plain, plain.image)) == enough
    assert sizes[-1] == enough
    assert all(size < enough for size in sizes[:-1])


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_an_endless_line_of_a_chunks_size(plain: Hostile, ours: Ours, part: str) -> None:
    def pour(call: Call) -> bool:
        call.send_response_only(200)
        call.send_header("Transfer-Encoding", "chunked")
        call.end_headers()
        with contextlib.suppress(OSError):
            while True:
                call.wfile.write(b"0" * (1 << 16))
        call.close_connection = True
        return True

    plain.twists.append(on(part, pour))
    ours.refuses(plain.image, plain_http=True)


@pytest.mark.parametrize("where", ["header", "manifest", "blob"])
def test_a_drip_is_cut_off_in_time(plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """No socket's timeout ever passes: only the bound on the whole exchange ends this."""
    ended = threading.Event()

    def drip(call: Call) -> bool:
        if where != "header":
            call.send_response_only(200)
            call.send_header("Content-Length", str(len(PROGRAM)))
            call.end_headers()
        with contextlib.suppress(OSError):
            while True:
                call.wfile.write(b"x")
                ended.wait(0.01)
        call.close_connection = True
        return True

    plain.twists.append(on("/blobs/" if where == "blob" else "/manifests/", drip))
    monkeypatch.setattr(registry, "LIMITS", transport.Limits(5, 10, exchange_s=0.3, bytes_per_s=1 << 30))
    assert "takes too long" in ours.refuses(plain.image, plain_http=True)
    ended.set()


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_a_silent_server(
    plain: Hostile, ours: Ours, theirs: Theirs, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    twist = on(part, Call.wait_until_cut)
    plain.twists.append(twist)
    monkeypatch.setattr(registry, "LIMITS", transport.Limits(5, read_s=0.3, exchange_s=20))
    assert "silent for 0.3 s" in ours.refuses(plain.image, plain_http=True)
    plain.twists.remove(twist)
    timeouts: list[object] = []
    send = requests.Session.send

    def note(self: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401 - handed on
        timeouts.append(kwargs["timeout"])
        return send(self, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", note)
    theirs.program(plain, plain.image)
    assert set(timeouts) == {None}, "oras-py would have waited for ever"


def test_nobody_listens(ours: Ours, theirs: Theirs, plain: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        assert "connection refused" in ours.refuses(f"{host}/{NAME}:1", plain_http=True)
        assert "connection refused" in ours.refuses(f"{host}/{NAME}:1")
        assert slept == []
        monkeypatch.setattr(oras.decorator, "time", SimpleNamespace(sleep=slept.append))
        with pytest.raises(requests.ConnectionError):
            theirs.client(plain).pull(f"{host}/{NAME}:1")
        assert sum(slept) > 120


def test_a_huge_manifest(plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    plain.replace_manifest(annotations={"a": "x" * (5 << 20)})
    assert "manifest: more than 4194304 bytes" in ours.refuses(plain.image, plain_http=True)
    assert theirs.program(plain, plain.image) == PROGRAM


@pytest.mark.parametrize(
    "case",
    [
        (503, "0", 3, "answers 503"),
        (429, "3600", 1, "answers 429, wants to be asked again in 3600 s$"),
        (502, "99999999999999999999", 3, "answers 502"),
        (504, "Tue, 24 Nov 2026 10:00:00 GMT", 3, "answers 504"),
        (500, "0", 1, "answers 500"),
    ],
)
def test_a_busy_registry(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch, case: tuple[int, str, int, str]
) -> None:
    status, after, tries, why = case
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    plain.twists.append(lambda call: call.answer(status, Retry_After=after))
    assert re.search(why, ours.refuses(plain.image, plain_http=True))
    assert len(plain.seen) == tries
    assert sum(slept) <= 20


def test_a_registry_that_is_busy_once(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(lambda call: len(plain.seen) == 1 and call.answer(429, Retry_After="0"))
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)


# What becomes a path.


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
    layer = {"mediaType": formats.BEE_PROGRAM, "digest": absurd, "size": 4}
    plain.replace_manifest(layers=[layer])
    assert re.match(
        r"UnsupportedImage: .*layer 0: digest '.*': not sha256: and 64 hex", ours.refuses(plain.image, plain_http=True)
    )
    assert len(plain.seen) == 1


def test_a_digest_as_a_path(plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path) -> None:
    layer = {"mediaType": formats.BEE_PROGRAM, "digest": "sha256:../../../escape", "size": 4}
    plain.replace_manifest(layers=[layer], mediaType=formats.OCI_MANIFEST)
    plain.twists.append(lambda call: call.route.endswith("/escape") and call.answer(200, b"evil"))
    ours.refuses(plain.image, plain_http=True)
    folder = tmp_path / "deep" / "layout"
    oras.layout.NewLayoutFromRegistry(str(folder), theirs.client(plain), plain.image)
    assert (tmp_path / "deep" / "escape").read_bytes() == b"evil"


@pytest.mark.parametrize("header", ["sha256:../../../escape", "../../escape", "sha256:", "\x1b[31msha256:x"])
def test_docker_content_digest_as_a_path(
    plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path, header: str
) -> None:
    plain.replace_manifest(mediaType=formats.OCI_MANIFEST)
    plain.twists.append(on("/manifests/", lambda call: call.answer(200, plain.manifest, Docker_Content_Digest=header)))
    assert "Docker-Content-Digest '" in ours.refuses(plain.image, plain_http=True)
    if header == "sha256:../../../escape":
        oras.layout.NewLayoutFromRegistry(str(tmp_path / "deep" / "layout"), theirs.client(plain), plain.image)
        assert (tmp_path / "deep" / "escape").read_bytes() == plain.manifest


def test_a_title_is_no_path(plain: Hostile, ours: Ours, tmp_path: Path) -> None:
    layer = {"mediaType": formats.BEE_PROGRAM, "digest": digest(PROGRAM), "size": len(PROGRAM)}
    title = str(tmp_path / "escape")
    plain.replace_manifest(layers=[{**layer, "annotations": {formats.TITLE: title}}])
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert not Path(title).exists()


def test_a_tar_that_escapes(plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path) -> None:
    """oras-py unpacks such a layer through the symlink that it has just unpacked."""
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
    layer = {"mediaType": kind, "digest": digest(data), "size": len(data), "annotations": {formats.TITLE: "x"}}
    program = json.loads(plain.manifest)["layers"]
    plain.replace_manifest(layers=[layer])
    assert kind in ours.refuses(plain.image, plain_http=True)
    plain.replace_manifest(layers=[layer, *program])
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert list(outside.iterdir()) == []
    theirs.pull(plain, plain.image)
    assert (outside / "evil").read_bytes() == b"evil"


def test_what_a_registry_says_is_harmless(plain: Hostile, ours: Ours) -> None:
    body = json.dumps({"errors": [{"code": "DENIED\n", "message": "\x1b]0;x\x07 \u202e" + "long" * 500}]}).encode()
    plain.twists.append(lambda call: call.answer(403, body))
    line = ours.refuses(plain.image, plain_http=True)
    assert "access denied: 127.0.0.1 answers 403 (DENIED\\x0a: \\x1b]0;x\\x07 \\u202elong" in line


@pytest.mark.parametrize("body", [b"", b"[]", b'{"errors":[]}', b'{"errors":{"a":1}}', b"\xff" * 100, b"[" * 8000])
def test_an_error_without_a_reason(plain: Hostile, ours: Ours, body: bytes) -> None:
    plain.twists.append(lambda call: call.answer(400, body))
    assert ours.refuses(plain.image, plain_http=True).endswith("manifest: 127.0.0.1 answers 400")


# Where credentials go.


def basic(call: Call) -> bool:
    return challenge(lambda: 'Basic realm="x"', BASIC)(call)


def test_a_password_goes_to_its_own_registry(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(basic)
    assert "wants a user name and a password" in ours.refuses(plain.image, plain_http=True)
    assert "access denied" in ours.refuses(plain.image, plain_http=True, username="me", password="wrong")
    ours.log_in(plain.host)
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert plain.authorizations >= {BASIC}


def test_explicit_credentials_win(plain: Hostile, ours: Ours) -> None:
    ours.log_in(plain.host, auth=base64.b64encode(b"filed:away").decode())
    plain.twists.append(basic)
    assert ours.pull(plain.image, plain_http=True, username="me", password="secret").programs == (PROGRAM,)
    assert plain.authorizations == {BASIC}
    plain.seen.clear()
    client = oras.provider.Registry(insecure=True, auth_backend="basic")
    client.auth.set_basic_auth("me", "secret")
    with contextlib.closing(client.session), pytest.raises(ValueError, match="Unauthorized"):
        client.get_manifest(plain.image)
    assert plain.authorizations == {"Basic " + base64.b64encode(b"filed:away").decode()}


def wants_token(server: Hostile) -> None:
    """Let a server ask for a token that it gives itself."""
    header = f'Bearer realm="{server.url}/token",service="s",scope="repository:x:pull"'
    server.twists += [challenge(lambda: header), on("/token", give_token)]


def test_the_credentials_of_another_registry(plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path) -> None:
    with serving() as second:
        wants_token(plain)
        wants_token(second)
        ours.log_in(plain.host)
        assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
        assert plain.authorizations == {BASIC, "Bearer good"}
        assert ours.pull(second.image, plain_http=True).programs == (PROGRAM,)
        assert second.authorizations == {"Bearer good"}
        client = theirs.client(plain)
        client.pull(plain.image, outdir=str(tmp_path / "1"))
        client.auth.token = None  # as when it expires
        client.pull(second.image, outdir=str(tmp_path / "2"))
        assert BASIC in second.authorizations


def test_netrc_is_not_read(plain: Hostile, ours: Ours, theirs: Theirs, home: Path) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (home / ".netrc").chmod(0o600)
    header = f'Bearer realm="{plain.url}/token",service="s"'
    plain.twists += [challenge(lambda: header), on("/token", give_token)]
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert plain.authorizations == {"Bearer good"}
    with pytest.raises(ValueError, match="Unauthorized"):
        theirs.pull(plain, plain.image)
    assert BASIC in plain.authorizations


def evil_realm(server: Hostile) -> None:
    """Make a server ask for a token, from itself, whatever it is asked for."""
    header = f'Bearer realm="{server.url}/token",service="s",scope="repository:x:pull"'
    server.twists += [on("/token", give_token), lambda call: call.answer(401, b"{}", WWW_Authenticate=header)]


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_a_realm_named_by_a_redirects_target(
    tls: Hostile, other: Hostile, ours: Ours, theirs: Theirs, part: str
) -> None:
    ours.log_in(tls.host)
    evil_realm(other)
    tls.twists.append(redirect(part, lambda call: other.url + call.path))
    assert "access denied: 127.0.0.1 answers 401" in ours.refuses(tls.image)
    assert other.seen
    assert other.authorizations == set()
    with contextlib.suppress(ValueError, requests.HTTPError):
        theirs.pull(tls, tls.image)
    assert BASIC in other.authorizations


def test_a_realm_over_plain_http_under_an_https_registry(
    tls: Hostile, plain: Hostile, ours: Ours, theirs: Theirs
) -> None:
    ours.log_in(tls.host)
    header = f'Bearer realm="{plain.url}/token",service="s",scope="repository:x:pull"'
    tls.twists.append(challenge(lambda: header))
    plain.twists.append(on("/token", give_token))
    assert "not https, but the registry is: refused" in ours.refuses(tls.image)
    assert plain.seen == []
    theirs.program(tls, tls.image)
    assert plain.authorizations == {BASIC}


@pytest.mark.parametrize(
    "realm", ["", "token", "ftp://127.0.0.1/t", "https://u:p@127.0.0.1/t", "https://127.0.0.1:x/", "https://", "//h/t"]
)
def test_a_realm_that_is_no_address(tls: Hostile, ours: Ours, realm: str) -> None:
    tls.twists.append(challenge(lambda: f'Bearer realm="{realm}"'))
    assert "not an http or https address" in ours.refuses(tls.image)


def test_a_realm_that_the_registry_names_itself(tls: Hostile, other: Hostile, ours: Ours) -> None:
    """It gets the password, and only the registry gets the token; a redirect of the realm is not followed."""
    ours.log_in(tls.host)
    header = f'Bearer realm="{other.url}/token?a=b",service="a service",scope="repository:other:pull,push"'
    tls.twists.append(challenge(lambda: header))
    other.twists.append(on("/token", give_token))
    assert ours.pull(tls.image).programs == (PROGRAM,)
    assert [(seen.path, seen.authorization) for seen in other.seen] == [
        (f"/token?a=b&scope=repository%3A{NAME.replace('/', '%2F')}%3Apull&service=a+service", BASIC)
    ]
    assert tls.authorizations == {"Bearer good"}


def test_a_redirect_of_the_token_request(tls: Hostile, other: Hostile, ours: Ours, theirs: Theirs) -> None:
    ours.log_in(tls.host)
    header = f'Bearer realm="{tls.url}/token",service="s",scope="repository:x:pull"'
    tls.twists += [challenge(lambda: header), redirect("/token", lambda _: f"{other.url}/token")]
    other.twists.append(on("/token", give_token))
    assert "answers 307 and not with a token" in ours.refuses(tls.image)
    assert other.seen == []
    theirs.program(tls, tls.image)
    assert other.seen


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"token":7}', b'{"token":"a\\r\\nX-Evil: 1"}', b'{"token":""}', b"x" * (2 << 20)]
)
def test_an_answer_that_is_no_token(tls: Hostile, ours: Ours, answer: bytes) -> None:
    tls.twists += [
        challenge(lambda: f'Bearer realm="{tls.url}/token"'),
        on("/token", lambda call: call.answer(200, answer)),
    ]
    assert "token" in ours.refuses(tls.image)


def test_an_identity_token_is_exchanged(tls: Hostile, ours: Ours, theirs: Theirs) -> None:
    ours.log_in(tls.host, identitytoken="refresh-me")
    header = f'Bearer realm="{tls.url}/token",service="s",scope="repository:x:pull"'

    def exchange(call: Call) -> bool:
        body = tls.seen[-1].body
        if call.command == "POST" and b"refresh_token=refresh-me" in body and b"grant_type=refresh_token" in body:
            return call.answer(200, b'{"access_token":"good"}')
        return call.answer(401)

    tls.twists += [challenge(lambda: header), on("/token", exchange)]
    assert ours.pull(tls.image).programs == (PROGRAM,)
    with pytest.raises(ValueError, match="authentication"):
        theirs.pull(tls, tls.image)


@pytest.mark.parametrize("place", ["docker", "podman", "bee", "flag"])
def test_every_file_of_credentials_is_read(
    plain: Hostile, ours: Ours, theirs: Theirs, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = (
        ours.home
        / {
            "docker": "docker/config.json",
            "podman": "run/containers/auth.json",
            "bee": ".bumblebee/config.json",
            "flag": "mine.json",
        }[place]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {plain.host: {"auth": base64.b64encode(b"me:secret").decode()}}}))
    if place == "docker":
        monkeypatch.setenv("DOCKER_CONFIG", str(path.parent))
    if place == "podman":
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(ours.home / "run"))
    plain.twists.append(basic)
    configs = (path,) if place == "flag" else ()
    assert ours.pull(plain.image, plain_http=True, configs=configs).programs == (PROGRAM,)
    if place in {"docker", "podman"}:
        plain.seen.clear()
        with pytest.raises((ValueError, AttributeError)):
            theirs.pull(plain, plain.image)
        assert plain.authorizations == set()


# Where redirects go.


def test_a_blob_on_another_https_host_gets_no_credentials(tls: Hostile, other: Hostile, ours: Ours) -> None:
    ours.log_in(tls.host)
    header = f'Bearer realm="{tls.url}/token",service="s"'
    tls.twists += [
        challenge(lambda: header),
        on("/token", give_token),
        redirect("/blobs/", lambda call: f"{other.url}{call.path}?signature=x"),
    ]
    assert ours.pull(tls.image).programs == (PROGRAM,)
    assert len(other.seen) == 2
    assert other.authorizations == set()


def test_a_redirect_from_https_to_http(tls: Hostile, plain: Hostile, ours: Ours, theirs: Theirs) -> None:
    tls.twists.append(redirect("/blobs/", lambda call: plain.url + call.path))
    assert f"redirect from https to '{plain.url}" in ours.refuses(tls.image)
    assert plain.seen == []
    assert theirs.program(tls, tls.image) == PROGRAM
    assert plain.seen


def test_a_detour_over_https_back_to_http(tls: Hostile, plain: Hostile, ours: Ours) -> None:
    plain.twists.append(redirect("/blobs/", lambda call: tls.url + call.path))
    tls.twists.append(redirect("/blobs/", lambda call: plain.url + call.path))
    assert "redirect from https" in ours.refuses(plain.image, plain_http=True)


@pytest.mark.parametrize(
    "location",
    ["", "file:///etc/passwd", "ftp://h/", "https://u:p@h/", "https://h:99999/", "https://[::1/", "gopher:x"],
)
def test_a_redirect_to_nowhere(tls: Hostile, ours: Ours, location: str) -> None:
    tls.twists.append(redirect("/blobs/", lambda _: location))
    assert "refused" in (line := ours.refuses(tls.image)) or "not an " in line or "more than 3 redirects" in line


def test_the_body_of_a_redirect_is_not_read(tls: Hostile, ours: Ours, theirs: Theirs) -> None:
    enough, poured = 32 << 20, []

    def pour(call: Call) -> bool:
        call.send_response_only(307)
        call.send_header("Location", "/elsewhere")
        call.end_headers()
        call.close_connection = True
        poured.append(0)
        with contextlib.suppress(OSError):
            while poured[-1] < enough:
                call.wfile.write(bytes(1 << 20))
                poured[-1] += 1 << 20
        return True

    tls.twists.append(on(f"/blobs/{digest(PROGRAM)}", pour))
    ours.refuses(tls.image)
    assert max(poured) < enough
    with pytest.raises(requests.RequestException):
        theirs.pull(tls, tls.image)
    assert poured[-1] == enough


def test_redirects_in_a_circle(tls: Hostile, ours: Ours) -> None:
    tls.twists.append(redirect("/manifests/", lambda call: call.path))
    assert "more than 3 redirects" in ours.refuses(tls.image)
    assert len(tls.seen) == 4


# TLS.


def test_a_certificate_of_nobody(tls: Hostile, ours: Ours, authority: Authority, home: Path) -> None:
    assert "certificate is refused" in ours.refuses(tls.image, ca_file=None)
    with serving(authority.server("elsewhere.example")) as wrong:
        assert "certificate is refused" in ours.refuses(wrong.image)
        assert wrong.seen == []
        assert ours.pull(wrong.image, insecure=True).programs == (PROGRAM,)
    for bad in (home / "none.pem", Path(__file__)):
        with pytest.raises(UsageError, match=bad.name):
            ours.pull(tls.image, ca_file=bad)
    folder = home / "certs.d" / tls.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.ca_file.read_bytes())
    assert ours.pull(tls.image, ca_file=None).programs == (PROGRAM,)


def test_a_loopback_registry_is_asked_over_https_first(tls: Hostile, ours: Ours) -> None:
    """A bad certificate is no reason for plain HTTP; an answer that is no TLS is."""
    ours.refuses(tls.image, ca_file=None)
    assert tls.seen == []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def reply() -> None:
            for _ in range(2):
                peer, _ = listening.accept()
                with peer:
                    head = peer.recv(1)
                    if head == b"\x16":
                        peer.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request")
                    else:
                        peer.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
                    with contextlib.suppress(OSError):
                        while peer.recv(4096):
                            peer.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=reply)
        thread.start()
        assert "ImageNotFound" in ours.refuses(f"127.0.0.1:{port}/x/y:1")
        thread.join()


def test_a_registry_that_wants_a_client_certificate(authority: Authority, ours: Ours) -> None:
    """It is shown to the registry alone, not to where a blob's redirect leads."""
    shown: dict[str, bool] = {}

    def note(name: str) -> Callable[[Call], bool]:
        def twist(call: Call) -> bool:
            assert isinstance(call.connection, ssl.SSLSocket)
            shown[name] = bool(call.connection.getpeercert())
            return False

        return twist

    contexts = [authority.server(), authority.server()]
    for context in contexts:
        context.load_verify_locations(authority.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
    with serving(contexts[0]) as server, serving(contexts[1]) as target:
        server.twists += [note("registry"), redirect("/blobs/", lambda call: target.url + call.path)]
        target.twists.append(note("target"))
        folder = ours.home / "certs.d" / server.host
        folder.mkdir(parents=True)
        mine = authority.ca.issue_cert("me@example.org")
        mine.private_key_pem.write_to_path(str(folder / "me.key"))
        mine.cert_chain_pems[0].write_to_path(str(folder / "me.cert"))
        assert ours.pull(server.image).programs == (PROGRAM,)
    assert shown == {"registry": True, "target": False}


# Proxies.


def splice(call: Call) -> None:
    """Connect as a proxy does, both ways, until one side ends."""
    call.owner.seen.append(Seen(call.command, call.path, call.headers.get("Authorization"), b""))
    host, _, port = call.path.partition(":")
    with socket.create_connection(("127.0.0.1" if host == "registry.example" else host, int(port))) as beyond:
        call.send_response_only(200)
        call.end_headers()
        near = call.connection
        while True:
            for ready in select.select([near, beyond], [], [])[0]:
                data = ready.recv(1 << 16)
                if not data:
                    call.close_connection = True
                    return
                (beyond if ready is near else near).sendall(data)


def test_the_environments_proxy(
    plain: Hostile, authority: Authority, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "do_CONNECT", splice, raising=False)
    monkeypatch.setenv("https_proxy", plain.url)
    monkeypatch.setenv("http_proxy", plain.url)
    with serving(authority.server("registry.example", "127.0.0.1")) as server:
        image = f"registry.example:{server.port}/{NAME}:1"
        assert ours.pull(image).programs == (PROGRAM,)
        assert {(seen.method, seen.path) for seen in plain.seen} == {("CONNECT", f"registry.example:{server.port}")}
        plain.seen.clear()
        assert ours.pull(f"registry.example:1/{NAME}:1", plain_http=True).programs == (PROGRAM,)
        assert plain.seen[0].path == f"http://registry.example:1/v2/{NAME}/manifests/1"
        plain.seen.clear()
        assert ours.pull(server.image).programs == (PROGRAM,)
        assert plain.seen == []


# Names.


def test_docker_io_is_asked_at_its_own_host(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(_self: requests.Session, _method: str, url: str, **_: object) -> requests.Response:
        asked.append(url)
        raise requests.ConnectionError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(requests.Session, "request", note)
    monkeypatch.setattr(oras.decorator, "time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(Exception, match=r"docker\.io/library/exitsnoop:1: docker\.io: connection refused"):
        ours.pull("exitsnoop:1")
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
