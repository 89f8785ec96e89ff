"""A server's error message is shown in its own words: escaped, shortened, on one line."""

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from beepy.errors import DigestMismatch, ImageNotFound
from tests.registry.conftest import Ours
from tests.registry.hostile import (
    PROGRAM,
    Call,
    Hostile,
    Twist,
    challenge,
    give_token,
    on,
    program_is,
    serving,
)

pytestmark = pytest.mark.registry

BASIC = "Basic " + base64.b64encode(b"me:secret").decode()
OURS = "repository:bee/exitsnoop:pull"
LOGIN = {"username": "me", "password": "secret"}


def says(status: int, body: bytes, kind: str = "text/plain") -> Callable[[Call], bool]:
    return lambda call: call.answer(status, body, Content_Type=kind, Retry_After="0")


def denied(**error: str) -> bytes:
    return json.dumps({"errors": [error]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            503,
            b"upstream connect error or disconnect\nsecond line",
            "text/plain",
            "(upstream connect error or disconnect)",
        ),
        (500, b"\n  \x1b]0;x\x07first\r\n", "text/plain", r"(\x1b]0;x\x07first)"),
        (500, b"long " * 4000, "text/plain", "(long long "),
        (
            500,
            b"<!DOCTYPE HTML><title>x</title>",
            "text/html; charset=utf-8",
            "(an HTML page (text/html))",
        ),
        (403, b"<?xml version='1.0'?><Error/>", "application/xml", "(a page (application/xml))"),
        (
            404,
            denied(code="NAME_UNKNOWN", message="no such repository"),
            "",
            "(NAME_UNKNOWN: no such repository)",
        ),
        (400, denied(message="only this"), "application/json", "(only this)"),
        (
            400,
            b'{"error":"invalid_scope","error_description":"\\u202e"}',
            "",
            r"(invalid_scope: \xe2\x80\xae)",
        ),
        (400, b'{"details":"incorrect user name"}', "application/json", "(incorrect user name)"),
    ],
)
def test_the_registrys_own_words(  # noqa: PLR0917 - the columns of the table
    plain: Hostile, ours: Ours, status: int, body: bytes, kind: str, words: str
) -> None:
    plain.twists.append(on("/manifests/", says(status, body, kind)))
    assert words in ours.refuses(plain.image, plain_http=True)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"[1]", b'{"errors":[]}', b'{"errors":[7]}', b"[" * 8000, b'{"a']
)
def test_a_body_without_words(plain: Hostile, ours: Ours, body: bytes) -> None:
    plain.twists.append(on("/manifests/", says(400, body)))
    assert ours.refuses(plain.image, plain_http=True).endswith(
        f"manifest: {plain.host} answers 400"
    )


@pytest.mark.parametrize(
    "body", [b"<html><title>Sign in</title></html>", b"\xef\xbb\xbf\n<!doctype html><html>"]
)
def test_a_log_in_page_in_place_of_a_manifest(plain: Hostile, ours: Ours, body: bytes) -> None:
    plain.twists.append(on("/manifests/", says(200, body, "text/html")))
    for image in (plain.image, plain.pinned):
        told = ours.refuses(image, plain_http=True)
        assert told.endswith(f"manifest: {plain.host} answers with an HTML page (text/html)")


def test_a_log_in_page_in_place_of_a_program(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(on("/blobs/", says(200, b"<html>Sign in</html>", "text/html")))
    with pytest.raises(DigestMismatch) as caught:
        ours.pull(plain.image, plain_http=True)
    assert caught.value.__notes__ == [f"{plain.host} answers with text/html"]


def test_a_log_in_page_in_place_of_a_token(plain: Hostile, ours: Ours) -> None:
    plain.twists += [
        challenge(lambda: f'Bearer realm="{plain.url}/token"'),
        on("/token", says(200, b"<html>Sign in</html>", "text/html")),
    ]
    assert "answers with an HTML page (text/html) and not with a token" in ours.refuses(
        plain.image, plain_http=True
    )


def test_no_token_without_credentials(plain: Hostile, ours: Ours) -> None:
    """As ghcr.io answers for an image that does not exist, and for one that is private."""
    body = denied(code="DENIED", message="requested access to the resource is denied")
    plain.twists += [
        challenge(lambda: f'Bearer realm="{plain.url}/token",service="s",scope="{OURS}"'),
        on("/token", says(403, body, "application/json")),
    ]
    told = ours.refuses(plain.image, plain_http=True)
    assert "the image may not exist, or be private" in told
    assert "403 (DENIED: requested access to the resource is denied)" in told
    told = ours.refuses(plain.image, plain_http=True, **LOGIN)
    assert "refuses these credentials: answers 403 (DENIED: " in told
    assert "may not exist" not in told


def test_denied_without_credentials(plain: Hostile, ours: Ours) -> None:
    """As docker.io answers: a token for everybody, that does not do."""
    plain.twists += [
        challenge(lambda: f'Bearer realm="{plain.url}/token"', "never"),
        on("/token", give_token),
    ]
    told = ours.refuses(plain.image, plain_http=True)
    assert (
        f"access denied: the image may not exist, or be private: {plain.host} answers 401" in told
    )


def gives_token(*wanted: str) -> Twist:
    """Issue a valid token only for a request of exactly these scopes, in any order."""

    def give(call: Call) -> bool:
        scopes = parse_qs(urlsplit(call.path).query).get("scope", [])
        return call.answer(
            200,
            json.dumps({"token": "good" if sorted(scopes) == sorted(wanted) else "bad"}).encode(),
        )

    return on("/token", give)


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("aws", [OURS, "aws"]),  # public.ecr.aws
        ("", [OURS]),
        ("::", [OURS]),  # Oracle's registry, which refuses to be asked for it
        ("repository:: :x:pull repository:x: :", [OURS]),
        (OURS, [OURS]),
        (f"{OURS},push", [OURS]),  # to read, no more than reading is asked for
        (
            "repository:docker-local/bee/exitsnoop:pull",
            [OURS, "repository:docker-local/bee/exitsnoop:pull"],
        ),
        ("registry:catalog:* repository:x:delete", [OURS]),
        (
            "repository(plugin):a/b:pull,metadata_read aws",
            [OURS, "repository(plugin):a/b:pull,metadata_read", "aws"],
        ),
        ("b\u00e4d", [OURS]),
    ],
)
def test_the_scopes_that_a_token_is_asked_for(
    plain: Hostile, ours: Ours, scope: str, asked: list[str]
) -> None:
    header = f'Bearer realm="{plain.url}/token",service="s",scope="{scope}"'
    plain.twists += [
        challenge(lambda: header if scope else header.partition(",scope")[0]),
        gives_token(*asked),
    ]
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)


def test_an_identity_tokens_scopes(plain: Hostile, ours: Ours) -> None:
    ours.log_in(plain.host, identitytoken="refresh-me")
    plain.twists += [
        challenge(lambda: f'Bearer realm="{plain.url}/token",scope="aws"'),
        on("/token", give_token),
    ]
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    (body,) = [seen.body for seen in plain.seen if seen.method == "POST"]
    assert parse_qs(body.decode())["scope"] == [f"{OURS} aws"]


def hides(call: Call) -> bool:
    """Answer strangers with 404, and at /v2/ with the way to log in."""
    if call.headers.get("Authorization") == BASIC:
        return call.route == "/v2/" and call.answer(200)
    if call.route == "/v2/":
        return call.answer(401, b"{}", WWW_Authenticate='Basic realm="x"')
    return call.answer(
        404, denied(code="NAME_UNKNOWN", message="repository name not known to registry")
    )


def paths(server: Hostile) -> list[str]:
    return [
        urlsplit(seen.path).path.rpartition("/v2")[2].partition("sha256")[0] for seen in server.seen
    ]


def test_credentials_of_the_command_line_are_shown_first(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(hides)
    assert "(NAME_UNKNOWN: " in ours.refuses(
        plain.image, plain_http=True, username="me", password="wrong"
    )
    plain.seen.clear()
    assert ours.pull(plain.image, plain_http=True, **LOGIN).programs == (PROGRAM,)
    assert paths(plain)[:2] == ["/", "/bee/exitsnoop/manifests/1"]
    assert [seen.authorization for seen in plain.seen] == [None] + [BASIC] * 6


def test_credentials_of_a_file_are_shown_to_who_hides(plain: Hostile, ours: Ours) -> None:
    ours.log_in(plain.host)
    plain.twists.append(hides)
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert paths(plain)[:3] == ["/bee/exitsnoop/manifests/1", "/", "/bee/exitsnoop/manifests/1"]
    plain.twists.clear()
    plain.seen.clear()
    assert ours.pull(plain.image.replace("127.0.0.1", "localhost"), plain_http=True)
    assert "/" not in paths(plain)


def test_a_stranger_asks_for_nothing_more(plain: Hostile, ours: Ours) -> None:
    told = ours.refuses(plain.image.replace("exit", "x"), plain_http=True)
    assert told.endswith("does not have it (NOT_FOUND: nothing here)")
    assert paths(plain) == ["/bee/xsnoop/manifests/1"]
    plain.seen.clear()
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert len(plain.seen) == 6
    signatures = ["/referrers/", "/manifests/sha256-", "/manifests/sha256-"]
    assert all(part in seen.path for part, seen in zip(signatures, plain.seen[3:], strict=True))


def test_credentials_that_nobody_asked_for(plain: Hostile, ours: Ours) -> None:
    """They are not sent, and the error of a 404 says so."""
    plain.twists.append(on("/v2/", lambda call: call.answer(404)))
    with pytest.raises(ImageNotFound) as caught:
        ours.pull(plain.image, plain_http=True, **LOGIN)
    assert plain.authorizations == set()
    assert caught.value.__notes__ == [
        "the registry did not ask for credentials: those given were not sent"
    ]


@pytest.mark.parametrize("status", [301, 307, 500, 418])
def test_a_registry_without_its_base(plain: Hostile, ours: Ours, status: int) -> None:
    """What /v2/ answers but 401 decides nothing; a redirect of it is not followed."""
    with serving() as second:
        plain.twists.append(
            lambda call: (
                call.route == "/v2/"
                and call.answer(status, Location=f"{second.url}/v2/", Retry_After="0")
            )
        )
        assert ours.pull(plain.image, plain_http=True, **LOGIN).programs == (PROGRAM,)
        assert second.seen == []


def test_a_challenge_at_the_base_alone_leads_to_a_token(plain: Hostile, ours: Ours) -> None:
    header = f'Bearer realm="{plain.url}/token",service="s"'
    plain.twists += [
        lambda call: call.route == "/v2/" and challenge(lambda: header)(call),
        lambda call: (
            call.route.startswith("/v2/bee")
            and call.headers.get("Authorization") != "Bearer good"
            and call.answer(404)
        ),
        gives_token(OURS),
    ]
    assert ours.pull(plain.image, plain_http=True, **LOGIN).programs == (PROGRAM,)
    assert [seen.authorization for seen in plain.seen if seen.path.startswith("/token")] == [BASIC]


def test_the_program_is_checked_as_ever(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(program_is(PROGRAM[::-1]))
    assert "DigestMismatch" in ours.refuses(plain.image, plain_http=True, **LOGIN)
