"""Credentials go to the registry, and to the realm that it names itself.

Where oras-py's own client falls for it, the test shows that too.
"""

import base64
import contextlib
import json
from pathlib import Path

import oras.layout
import oras.provider
import pytest
import requests

from tests.registry.conftest import Ours, Theirs
from tests.registry.hostile import (
    NAME,
    PROGRAM,
    Call,
    Hostile,
    challenge,
    give_token,
    on,
    redirect,
    serving,
)

pytestmark = pytest.mark.registry

BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


def basic(call: Call) -> bool:
    return challenge(lambda: 'Basic realm="x"', BASIC)(call)


def test_a_password_goes_to_its_own_registry(plain: Hostile, ours: Ours) -> None:
    plain.twists.append(basic)
    assert "authentication required" in ours.refuses(plain.image, plain_http=True)
    assert "access denied" in ours.refuses(
        plain.image, plain_http=True, username="me", password="wrong"
    )
    ours.log_in(plain.host)
    assert ours.pull(plain.image, plain_http=True).programs == (PROGRAM,)
    assert plain.authorizations >= {BASIC}


def test_explicit_credentials_win(plain: Hostile, ours: Ours) -> None:
    ours.log_in(plain.host, auth=base64.b64encode(b"filed:away").decode())
    plain.twists.append(basic)
    assert ours.pull(plain.image, plain_http=True, username="me", password="secret").programs == (
        PROGRAM,
    )
    assert plain.authorizations == {BASIC}
    plain.seen.clear()
    client = oras.provider.Registry(insecure=True, auth_backend="basic")
    client.auth.set_basic_auth("me", "secret")
    with contextlib.closing(client.session), pytest.raises(ValueError, match="Unauthorized"):
        client.get_manifest(plain.image)
    assert plain.authorizations == {"Basic " + base64.b64encode(b"filed:away").decode()}


@pytest.mark.parametrize("realm", ["https://.x/", "https://*.x/", "http://x%zz/"])
def test_a_realm_that_no_request_goes_to(plain: Hostile, ours: Ours, realm: str) -> None:
    plain.twists.append(challenge(lambda: f'Bearer realm="{realm}",service="s"'))
    told = ours.refuses(plain.image, plain_http=True)
    assert f"token realm '{realm}': not an" in told


def wants_token(server: Hostile) -> None:
    """Let a server ask for a token that it gives itself."""
    header = f'Bearer realm="{server.url}/token",service="s",scope="repository:x:pull"'
    server.twists += [challenge(lambda: header), on("/token", give_token)]


def test_the_credentials_of_another_registry(
    plain: Hostile, ours: Ours, theirs: Theirs, tmp_path: Path
) -> None:
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
    server.twists += [
        on("/token", give_token),
        lambda call: call.answer(401, b"{}", WWW_Authenticate=header),
    ]


@pytest.mark.parametrize("part", ["/manifests/", "/blobs/"])
def test_a_realm_named_by_a_redirects_target(
    tls: Hostile, other: Hostile, ours: Ours, theirs: Theirs, part: str
) -> None:
    ours.log_in(tls.host)
    evil_realm(other)
    tls.twists.append(redirect(part, lambda call: other.url + call.path))
    assert f"access denied: {other.host} answers 401" in ours.refuses(tls.image)
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
    "realm",
    [
        "",
        "token",
        "ftp://127.0.0.1/t",
        "https://u:p@127.0.0.1/t",
        "https://127.0.0.1:x/",
        "https://",
        "//h/t",
    ],
)
def test_a_realm_that_is_no_address(tls: Hostile, ours: Ours, realm: str) -> None:
    tls.twists.append(challenge(lambda: f'Bearer realm="{realm}"'))
    assert "not an http or https address" in ours.refuses(tls.image)


def test_a_realm_that_the_registry_names_itself(tls: Hostile, other: Hostile, ours: Ours) -> None:
    """It gets the password; only the registry gets the token. No read asks for push access."""
    ours.log_in(tls.host)
    header = (
        f'Bearer realm="{other.url}/token?a=b",service="a service",'
        'scope="repository:other:pull,push"'
    )
    tls.twists.append(challenge(lambda: header))
    other.twists.append(on("/token", give_token))
    assert ours.pull(tls.image).programs == (PROGRAM,)
    scope = f"repository%3A{NAME.replace('/', '%2F')}%3Apull"
    assert [(seen.path, seen.authorization) for seen in other.seen] == [
        (f"/token?a=b&scope={scope}&scope=repository%3Aother%3Apull&service=a+service", BASIC)
    ]
    assert tls.authorizations == {"Bearer good"}


def test_a_redirect_of_the_token_request(
    tls: Hostile, other: Hostile, ours: Ours, theirs: Theirs
) -> None:
    ours.log_in(tls.host)
    header = f'Bearer realm="{tls.url}/token",service="s",scope="repository:x:pull"'
    tls.twists += [challenge(lambda: header), redirect("/token", lambda _: f"{other.url}/token")]
    other.twists.append(on("/token", give_token))
    assert "answers 307 and not with a token" in ours.refuses(tls.image)
    assert other.seen == []
    theirs.program(tls, tls.image)
    assert other.seen


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token":7}',
        b'{"token":"a\\r\\nX-Evil: 1"}',
        b'{"token":""}',
        b"x" * (2 << 20),
    ],
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
        if (
            call.command == "POST"
            and b"refresh_token=refresh-me" in body
            and b"grant_type=refresh_token" in body
        ):
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
    path.write_text(
        json.dumps({"auths": {plain.host: {"auth": base64.b64encode(b"me:secret").decode()}}})
    )
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
