"""Mirrors, aliases and a default registry, with real registries behind them."""

import base64
import json
import logging
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from beepy.errors import ImageNotFound, RegistryError, UntrustedImage
from beepy.oci import lookup
from beepy.oci.store import Store
from tests.registry import distribution
from tests.registry.conftest import Authority, Ours
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.registry.hostile import NAME, PROGRAM, Call, Hostile, on, program_is, serving
from tests.registry.test_signatures import by, sign
from tests.support.command import Beepy
from tests.support.signing import new_key
from tests.support.told import notes

pytestmark = pytest.mark.registry

Start = Callable[[str], Running]
SETTINGS = Path(".config") / "beepy" / "registries.toml"
OWN, MIRRORED = (b"\x7fELF" + bytes([number]) * 5000 for number in (1, 2))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a real registry in a set-up."""
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    with ExitStack() as running:

        def start(setup: str) -> Running:
            directory = tmp_path / f"registry-{len(list(tmp_path.iterdir()))}"
            directory.mkdir()
            return running.enter_context(SETUPS[setup](directory))

        yield start


def push(server: Running, repository: str, program: bytes, directory: Path) -> str:
    """Push an image with skopeo; return its digest."""
    store = Store(directory / "pushed")
    digest = store.add_image("x", program, {})
    distribution.copy(store.path, f"{server.host}/{repository}", *server.push)
    return digest


def settle(ours: Ours, *entries: str) -> None:
    path = ours.home / SETTINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(entries))


def registry(prefix: str, **values: object) -> str:
    lines = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["[[registry]]", f'prefix = "{prefix}"', *lines])


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield the address of a port at which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


def test_a_mirror_comes_first(start: Start, ours: Ours, tmp_path: Path) -> None:
    """By tag and by digest; the image has the name that was written."""
    own, mirror = start("plain"), start("plain")
    push(own, "tools/exits:1", OWN, tmp_path)
    digest = push(mirror, "copies/tools/exits:1", MIRRORED, tmp_path)
    settle(ours, registry(own.host, mirrors=[f"{mirror.host}/copies"]))
    for name in (f"{own.host}/tools/exits:1", f"{own.host}/tools/exits@{digest}"):
        image = ours.pull(name)
        assert (image.name, image.digest, image.programs) == (name, digest, (MIRRORED,))
        assert ours.store.get(name) == image
    assert {entry.name.partition("/")[0] for entry in ours.store.list()} == {own.host}
    ours.is_clean()


def test_a_namespace_has_mirrors_of_its_own(start: Start, ours: Ours, tmp_path: Path) -> None:
    own, mirror = start("plain"), start("plain")
    for image in ("tools/exits:1", "toolsets/exits:1"):
        push(own, image, OWN, tmp_path)
    push(mirror, "exits:1", MIRRORED, tmp_path)
    settle(ours, registry(f"{own.host}/tools", mirrors=[mirror.host]))
    assert ours.pull(f"{own.host}/tools/exits:1").programs == (MIRRORED,)
    assert ours.pull(f"{own.host}/toolsets/exits:1").programs == (OWN,)


def test_mirrors_that_have_not_got_it(
    start: Start, ours: Ours, tmp_path: Path, plain: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    """404, 500, nobody there, no such host: each is shown with -v, and the next is tried."""
    own, empty = start("plain"), start("plain")
    push(own, "tools/exits:1", OWN, tmp_path)
    plain.twists.append(lambda call: call.answer(500))
    with closed_port() as closed:
        mirrors = [empty.host, plain.host, closed, "mirror.invalid"]
        settle(ours, registry(own.host, mirrors=mirrors))
        with caplog.at_level(logging.INFO, "beepy"):
            assert ours.pull(f"{own.host}/tools/exits:1").programs == (OWN,)
    skipped = [message for message in caplog.messages if ": skipped: " in message]
    for mirror, message, why in zip(
        mirrors,
        skipped,
        ("does not have it", "answers 500", "connection refused", "name resolution failed"),
        strict=True,
    ):
        assert message.startswith(f"mirror {mirror}: skipped: {mirror}/tools/exits:1: ")
        assert why in message
    assert all(record.levelno == logging.INFO for record in caplog.records)


def test_nobody_has_it(start: Start, ours: Ours) -> None:
    """The error is the registry's own; what the mirrors said is in the notes."""
    own, mirror = start("plain"), start("plain")
    settle(ours, registry(own.host, mirrors=[mirror.host]))
    with pytest.raises(ImageNotFound, match=rf"^{own.host}/x:1: .*{own.host} does not") as caught:
        ours.pull(f"{own.host}/x:1")
    (note,) = notes(caught.value)
    assert note.startswith(f"mirror {mirror.host}: {mirror.host}/x:1: manifest: ")
    assert f"{mirror.host} does not have it" in note
    assert note.startswith(f"mirror {mirror.host}: ")


def test_a_mirror_that_dies_during_a_blob(
    start: Start, ours: Ours, plain: Hostile, tmp_path: Path
) -> None:
    own = start("plain")
    digest = push(own, f"{NAME}:1", PROGRAM, tmp_path)

    def die(call: Call) -> bool:
        call.send_response_only(200)
        call.send_header("Content-Length", str(len(PROGRAM)))
        call.end_headers()
        call.wfile.write(PROGRAM[:100])
        call.close_connection = True
        return True

    plain.twists.append(on("/blobs/", die))
    settle(ours, registry(own.host, mirrors=[plain.host]))
    image = ours.pull(f"{own.host}/{NAME}:1")
    assert (image.digest, image.programs) == (digest, (PROGRAM,))
    assert any("/blobs/" in seen.path for seen in plain.seen)
    ours.is_clean()


@pytest.mark.parametrize("part", ["manifest", "blob"])
def test_a_mirror_that_lies(
    start: Start,
    ours: Ours,
    plain: Hostile,
    tmp_path: Path,
    *,
    caplog: pytest.LogCaptureFixture,
    part: str,
) -> None:
    """A digest is compared whoever answers; that it differs is shown without -v, too."""
    own = start("plain")
    digest = push(own, f"{NAME}:1", PROGRAM, tmp_path)
    if part == "blob":
        plain.twists.append(program_is(b"\x7fELF" + bytes(len(PROGRAM) - 4)))
    else:
        lie = plain.manifest.replace(b"{", b"{ ", 1)
        plain.twists.append(on("/manifests/", lambda call: call.answer(200, lie)))
    settle(ours, registry(own.host, mirrors=[plain.host]))
    image = ours.pull(f"{own.host}/{NAME}@{digest}")
    assert (image.digest, image.programs) == (digest, (PROGRAM,))
    (record,) = caplog.records
    assert (record.levelno, "expected sha256:" in record.message) == (logging.WARNING, True)
    assert record.message.startswith(f"mirror {plain.host}: skipped: {plain.host}/")
    ours.is_clean()


def test_a_mirror_whose_manifest_is_malformed(
    start: Start, ours: Ours, plain: Hostile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = start("plain")
    digest = push(own, f"{NAME}:1", PROGRAM, tmp_path)
    plain.twists.append(on("/manifests/", lambda call: call.answer(200, b'{"schemaVersion": 1}')))
    settle(ours, registry(own.host, mirrors=[plain.host]))
    image = ours.pull(f"{own.host}/{NAME}:1")
    assert (image.digest, image.programs) == (digest, (PROGRAM,))
    (record,) = caplog.records
    assert record.message.startswith(f"mirror {plain.host}: skipped: {plain.host}/")
    ours.is_clean()


def test_a_mirror_without_signatures(
    ours: Ours, plain: Hostile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under a policy the next one is tried, whose signatures are verified, too."""
    key = new_key(tmp_path / "cosign.pub")
    with serving() as own:
        settle(ours, registry(own.host, mirrors=[plain.host]))
        with pytest.raises(UntrustedImage):
            ours.pull(own.image, policy=by(key))
        assert ours.store.list() == ()
        caplog.clear()
        sign(own, key, "bundle")
        assert ours.pull(own.image, policy=by(key)).programs == (PROGRAM,)
        (message,) = caplog.messages
        assert message.startswith(f"mirror {plain.host}: skipped: {own.image}: not signed: ")
        own.seen.clear()
        sign(plain, key, "bundle")
        assert ours.pull(own.image, policy=by(key)).programs == (PROGRAM,)
        assert own.seen == []


def test_the_credentials_of_a_mirror(start: Start, ours: Ours, tmp_path: Path) -> None:
    """They are looked up for its own host."""
    mirror = start("htpasswd")
    push(mirror, "exits:1", MIRRORED, tmp_path)
    settle(ours, registry("registry.invalid", mirrors=[mirror.host]))
    with pytest.raises(RegistryError, match="name resolution failed") as caught:
        ours.pull("registry.invalid/exits:1")
    assert "authentication required" in notes(caught.value)[0]
    secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    ours.log_in(mirror.host, auth=secret)
    assert ours.pull("registry.invalid/exits:1").programs == (MIRRORED,)


def test_a_password_on_the_command_line_goes_to_no_mirror(ours: Ours, plain: Hostile) -> None:
    plain.twists.append(lambda call: call.answer(401, WWW_Authenticate='Basic realm="x"'))
    with serving() as own:
        settle(ours, registry(own.host, mirrors=[plain.host]))
        image = ours.pull(f"{own.host}/{NAME}:1", username="me", password="secret")
        assert image.programs == (PROGRAM,)
    assert plain.seen
    assert plain.authorizations == set()


@pytest.mark.parametrize("how", ["ca-file", "insecure", ""])
def test_a_mirror_has_its_own_settings(
    start: Start, ours: Ours, tmp_path: Path, how: str, authority: Authority
) -> None:
    """Those of the registry, and the flags, are not for it."""
    mirror, own = start("tls"), start("plain")
    push(own, "exits:1", OWN, tmp_path)
    push(mirror, "exits:1", MIRRORED, tmp_path)
    values = {"ca-file": str(mirror.ca_file), "insecure": True}
    settings = {how: values[how]} if how else {}
    settle(
        ours,
        registry(own.host, mirrors=[mirror.host], plain_http=True),
        registry(mirror.host, **settings),
    )
    image = ours.pull(f"{own.host}/exits:1", ca_file=None)
    assert image.programs == ((MIRRORED,) if how else (OWN,))
    image = ours.pull(f"{own.host}/exits:1", ca_file=authority.ca_file)
    assert image.programs == ((MIRRORED,) if how else (OWN,))


def test_the_settings_of_a_registry(
    start: Start, ours: Ours, tmp_path: Path, authority: Authority
) -> None:
    own = start("tls")
    push(own, "exits:1", OWN, tmp_path)
    shutil.copy(str(own.ca_file), ours.home / "ca.pem")
    settle(ours, registry(own.host, ca_file="../../ca.pem"))
    assert ours.pull(f"{own.host}/exits:1", ca_file=None).programs == (OWN,)
    with pytest.raises(RegistryError, match="certificate verification failed"):  # the flag wins
        ours.pull(f"{own.host}/exits:1", ca_file=authority.ca_file)
    settle(ours, registry(own.host, insecure=True))
    assert ours.pull(f"{own.host}/exits:1", ca_file=None).programs == (OWN,)


def test_a_blocked_registry_is_not_contacted(ours: Ours, plain: Hostile) -> None:
    settle(ours, registry(f"{plain.host}/bee", blocked=True))
    blocked = f"blocked by {ours.home / SETTINGS}: prefix '{plain.host}/bee'"
    assert ours.refuses(plain.image) == f"RegistryError: {plain.image}: {blocked}"
    assert plain.seen == []
    settle(ours, registry(plain.host, blocked=True), registry(f"{plain.host}/bee"))
    assert ours.pull(plain.image).programs == (PROGRAM,)


def test_an_alias(start: Start, ours: Ours, tmp_path: Path) -> None:
    """The image is stored under its reference, and found there by its alias without a socket."""
    own = start("plain")
    first = push(own, "tools/exits:1", OWN, tmp_path)
    second = push(own, "tools/exits:2", MIRRORED, tmp_path)
    settle(ours, "[aliases]", f'exits = "{own.host}/tools/exits:1"')
    options = lookup.Options(storage=ours.store.path)
    assert lookup.find("exits", options).digest == first
    assert ours.store.names() == (f"{own.host}/tools/exits:1",)
    assert lookup.find("exits", options._replace(pull="never")).digest == first
    assert ours.pull("exits:2").digest == second
    assert ours.pull(f"exits@{second}").digest == second
    with pytest.raises(ImageNotFound, match=rf"^{own.host}/tools/exits:3: "):
        ours.pull("exits:3")


def test_a_default_registry(start: Start, ours: Ours, tmp_path: Path) -> None:
    own = start("plain")
    digest = push(own, "team/exits:latest", OWN, tmp_path)
    settle(ours, f'default-registry = "{own.host}"', 'default-namespace = "team"')
    image = ours.pull("exits")
    assert (image.name, image.digest) == (f"{own.host}/team/exits", digest)
    assert ours.pull("team/exits:latest").digest == digest
    with pytest.raises(ImageNotFound, match=rf"^{own.host}/team/none:latest: manifest: "):
        ours.pull("none")


def test_on_the_command_line(start: Start, ours: Ours, tmp_path: Path) -> None:
    own, mirror = start("plain"), start("plain")
    digest = push(own, "tools/exits:1", OWN, tmp_path)
    image = f"{own.host}/tools/exits:1"
    settle(ours, "[aliases]", f'exits = "{image}"', registry(own.host, mirrors=[mirror.host]))
    beepy = Beepy(ours.home)
    done = beepy("-v", "pull", "exits")
    assert (done.code, done.out) == (0, f"{image} {digest}\n")
    assert done.said[0] == f"info: exits: alias of {image} in {ours.home / SETTINGS}"
    assert done.said[1].startswith(f"info: mirror {mirror.host}: skipped: {mirror.host}/")
    assert beepy("pull", "exits").err == ""
    settle(ours, registry(own.host, mirors=[mirror.host]))
    done = beepy("pull", image)
    assert (done.code, done.out) == (2, "")
    assert done.said == [
        f"beepy: {ours.home / SETTINGS}: registry 1: mirors: unknown key",
        "note: known keys: prefix, mirrors, insecure, plain-http, ca-file, blocked",
    ]
