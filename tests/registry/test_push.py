"""A push to a server that may lie, refuse, redirect or die."""

import json
import re
import threading
import time
from pathlib import Path

import pytest

from beepy.errors import BeepyError, DigestMismatch, ImageNotFound, StoreError
from beepy.oci import client, transport
from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.formats import bee
from beepy.oci.lookup import Options
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.push import push
from tests.registry.conftest import Ours
from tests.registry.hostile import NAME, PROGRAM, Call, Hostile, challenge, digest, give_token, on
from tests.registry.uploads import dies_at, takes_blob, takes_uploads
from tests.support.command import Beepy
from tests.support.told import notes

pytestmark = pytest.mark.registry

LARGE = b"\x7fELF" + bytes(4 << 20)


@pytest.fixture
def stored(ours: Ours) -> str:
    """Store an image as ``x``; return its digest."""
    return ours.store.add_image("x", PROGRAM, {})


def send(ours: Ours, server: Hostile, image: str = "x", target: str = "") -> str:
    options = Options(storage=ours.store.path, ca_file=ours.ca_file)
    return push(image, target or server.image, options)


def refused(ours: Ours, server: Hostile, image: str = "x") -> str:
    """Push and return the refusal: one line that begins with the target."""
    with pytest.raises(BeepyError) as caught:
        send(ours, server, image)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(server.image)
    return f"{type(caught.value).__name__}: {line}"


def methods(server: Hostile) -> list[str]:
    return [seen.method for seen in server.seen]


def test_blobs_come_before_the_manifest(plain: Hostile, ours: Ours, stored: str) -> None:
    manifests = takes_uploads(plain)
    assert send(ours, plain) == stored
    assert plain.blobs == {digest(blob): blob for blob in (PROGRAM, b"{}")}
    assert manifests == {"1": bee.write_manifest(PROGRAM, {})}
    assert methods(plain) == ["HEAD", "POST", "PUT", "HEAD", "POST", "PUT", "PUT"]
    (config, program) = [seen for seen in plain.seen if "?state=a&digest=" in seen.path]
    assert (config.body, program.body) == (b"{}", PROGRAM)
    assert program.path.startswith(f"/v2/{NAME}/blobs/uploads/1?state=a&digest=sha256%3A")


def test_what_exists_is_not_sent(plain: Hostile, ours: Ours, stored: str) -> None:
    takes_uploads(plain)
    send(ours, plain)
    plain.seen.clear()
    assert send(ours, plain) == stored
    assert methods(plain) == ["HEAD", "HEAD", "PUT"]


@pytest.mark.usefixtures("stored")
def test_a_blob_is_mounted_from_where_the_store_knows_it(plain: Hostile, ours: Ours) -> None:
    """The registry may mount it, or begin an upload instead."""
    takes_uploads(plain)
    ours.store.tag("x", f"{plain.host}/tools/other:1")
    ours.store.tag("x", "elsewhere.example/tools/third:1")

    def mount(call: Call) -> bool:
        return call.command == "POST" and digest(PROGRAM)[7:] in call.path and call.answer(201)

    plain.twists.insert(0, mount)
    send(ours, plain)
    posts = [seen.path for seen in plain.seen if seen.method == "POST"]
    assert [path.partition("?")[2] for path in posts] == [
        f"mount=sha256%3A{blob[7:]}&from=tools%2Fother" for blob in (digest(b"{}"), digest(PROGRAM))
    ]
    assert set(plain.blobs) == {digest(b"{}")}


@pytest.mark.usefixtures("stored")
def test_a_mount_that_is_refused(plain: Hostile, ours: Ours) -> None:
    takes_uploads(plain)
    ours.store.tag("x", f"{plain.host}/tools/other:1")
    plain.twists.insert(0, lambda call: "mount=" in call.path and call.answer(403, b"not for you"))
    send(ours, plain)
    assert set(plain.blobs) == {digest(b"{}"), digest(PROGRAM)}


@pytest.mark.parametrize(
    "location",
    [
        "1",
        "/v2/upload-here",
        "?state=a%2Fb",
        "https://{host}/absolute?x=1",
        "//{host}/network",
    ],
)
@pytest.mark.usefixtures("stored")
def test_locations_of_uploads(tls: Hostile, ours: Ours, location: str) -> None:
    takes_uploads(tls, lambda _: location.format(host=tls.host))
    send(ours, tls)
    assert set(tls.blobs) == {digest(b"{}"), digest(PROGRAM)}
    puts = [seen.path for seen in tls.seen if seen.method == "PUT" and "digest=" in seen.path]
    query = location.partition("?")[2]
    assert all(f"?{query}{'&' * bool(query)}digest=sha256%3A" in path for path in puts)


@pytest.mark.usefixtures("stored")
def test_an_upload_to_another_host_gets_no_credentials(
    tls: Hostile, other: Hostile, ours: Ours
) -> None:
    ours.log_in(tls.host)
    header = f'Bearer realm="{tls.url}/token",service="s"'
    tls.twists += [challenge(lambda: header), on("/token", give_token)]
    takes_uploads(tls, lambda _: f"{other.url}/bucket/key?signature=x")
    other.twists.append(takes_blob(other))
    send(ours, tls)
    assert set(other.blobs) >= {digest(b"{}"), digest(PROGRAM)}
    assert other.authorizations == set()
    assert "Bearer good" in tls.authorizations


@pytest.mark.usefixtures("stored")
def test_the_scope_of_the_token_is_that_of_a_push(plain: Hostile, ours: Ours) -> None:
    ours.log_in(plain.host)
    header = f'Bearer realm="{plain.url}/token",service="s"'
    plain.twists += [challenge(lambda: header), on("/token", give_token)]
    takes_uploads(plain)
    send(ours, plain)
    (token,) = [seen.path for seen in plain.seen if seen.path.startswith("/token")]
    assert f"scope=repository%3A{NAME.replace('/', '%2F')}%3Apull%2Cpush&" in token


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("", "answer has no Location"),
        ("http://{host}/x", "upload from https to 'http://"),
        ("ftp://{host}/x", "not an http or https address"),
        ("https://u:p@{host}/x", "not an http or https address"),
        ("https://[::1/", "not an address"),
    ],
)
@pytest.mark.usefixtures("stored")
def test_an_upload_to_nowhere(tls: Hostile, ours: Ours, location: str, why: str) -> None:
    takes_uploads(tls, lambda _: location.format(host=tls.host))
    assert why in refused(ours, tls)
    assert set(methods(tls)) == {"HEAD", "POST"}


@pytest.mark.usefixtures("stored")
def test_a_redirect_that_keeps_the_method_is_followed(
    tls: Hostile, other: Hostile, ours: Ours
) -> None:
    ours.log_in(tls.host)
    takes_uploads(tls)
    other.twists.append(takes_blob(other))
    tls.twists.insert(
        0,
        lambda call: (
            call.command == "PUT"
            and "digest=" in call.path
            and call.answer(307, Location=other.url + call.path)
        ),
    )
    send(ours, tls)
    assert set(other.blobs) >= {digest(b"{}"), digest(PROGRAM)}
    assert other.authorizations == set()


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.usefixtures("stored")
def test_a_redirect_that_loses_the_method_is_refused(
    plain: Hostile, ours: Ours, status: int
) -> None:
    takes_uploads(plain)
    plain.twists.insert(
        0, lambda call: call.command == "POST" and call.answer(status, Location="/elsewhere")
    )
    assert f"upload: {plain.host} answers {status}" in refused(ours, plain)


WORDS = b'{"errors":[{"code":"CODE","message":"its words"}]}'


@pytest.mark.parametrize("part", ["HEAD /blobs/", "POST /uploads/", "PUT /uploads/", "PUT /manif"])
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "unsupported authentication scheme"),
        (403, "access denied: {host} answers 403"),
        (404, "{host} answers 404"),
        (405, "{host} answers 405"),
        (413, "larger than what it accepts: {host} answers 413"),
        (429, "{host} answers 429, retry after 3600 s"),
        (500, "{host} answers 500"),
    ],
)
@pytest.mark.usefixtures("stored")
def test_every_step_may_be_refused(
    plain: Hostile, ours: Ours, part: str, status: int, why: str
) -> None:
    method, _, path = part.partition(" ")
    manifests = takes_uploads(plain)
    plain.twists.insert(
        0,
        lambda call: (
            call.command == method
            and path in call.route
            and call.answer(status, WORDS, Retry_After="3600")
        ),
    )
    if (method, status) == ("HEAD", 404):  # it only means that the blob must be sent
        send(ours, plain)
        return
    line = refused(ours, plain)
    assert why.format(host=plain.host) in line.replace(" (CODE: its words)", "")
    assert ("its words" in line) == (method != "HEAD" and status != 401)
    assert manifests == {}
    assert ("DELETE" in methods(plain)) == (part == "PUT /uploads/"), "an upload is cancelled"


@pytest.mark.parametrize(("status", "after"), [(429, "0"), (429, None), (503, "0")])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
@pytest.mark.usefixtures("stored")
def test_a_server_that_is_busy_once_gets_all_of_it_again(  # noqa: PLR0917 - the table's columns
    plain: Hostile,
    ours: Ours,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    status: int,
    after: str | None,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    manifests = takes_uploads(plain)
    busy: list[str] = []

    def answer(call: Call) -> bool:
        if call.command != method or call.path in busy:
            return False
        busy.append(call.path)
        headers = {"Retry_After": after} if after else {}
        return call.answer(status, b"", **headers)

    plain.twists.insert(0, answer)
    send(ours, plain)
    assert set(plain.blobs) == {digest(b"{}"), digest(PROGRAM)}
    assert set(manifests) == {"1"}
    assert busy
    assert len(slept) == len(busy)


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.usefixtures("stored")
def test_what_a_proxy_may_have_passed_on_is_not_sent_twice(
    plain: Hostile, ours: Ours, status: int
) -> None:
    takes_uploads(plain)
    plain.twists.insert(0, lambda call: call.command == "PUT" and call.answer(status))
    assert f"answers {status}" in refused(ours, plain)
    assert methods(plain).count("PUT") == 1


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_a_registry_that_dies_mid_blob(plain: Hostile, ours: Ours, size: int) -> None:
    ours.store.add_image("large", LARGE, {})
    takes_uploads(plain)
    plain.blobs[digest(b"{}")] = b"{}"
    plain.early_twists.append(dies_at("/uploads/", size))
    line = refused(ours, plain, image="large")
    assert re.fullmatch(
        rf"RegistryError: {re.escape(plain.image)}: {plain.host}: (.*connection.*|broken pipe)",
        line,
    )
    assert methods(plain)[-1] == "DELETE"


@pytest.mark.parametrize("reads", [True, False])
def test_a_registry_that_falls_silent(
    plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """After the body, or so early that the body does not fit into the buffers of the sockets."""
    ours.store.add_image("large", LARGE, {})
    takes_uploads(plain)
    ended = threading.Event()

    def wait(call: Call) -> bool:
        return call.command == "PUT" and (call.wait_until_cut() if reads else ended.wait(60))

    (plain.twists if reads else plain.early_twists).insert(0, wait)
    plain.blobs[digest(b"{}")] = b"{}"
    for limits, why in (
        (transport.Limits(5, read_s=0.3, exchange_s=20, bytes_per_s=1 << 30), "answer for 0.3 s"),
        (transport.Limits(5, read_s=10, exchange_s=0.3, bytes_per_s=1 << 30), "timed out"),
    ):
        monkeypatch.setattr(client, "LIMITS", limits)
        assert why in refused(ours, plain, image="large")
    ended.set()


@pytest.mark.usefixtures("stored")
def test_a_registry_that_stores_something_else(plain: Hostile, ours: Ours) -> None:
    takes_uploads(plain)
    other = digest(b"other")
    plain.twists.insert(
        0,
        lambda call: (
            call.command == "PUT"
            and "/manifests/" in call.route
            and call.answer(201, Docker_Content_Digest=other)
        ),
    )
    assert f"the registry stored {other}, expected sha256:" in refused(ours, plain)


def test_a_damaged_blob_is_not_sent_as_if_it_were_sound(plain: Hostile, ours: Ours) -> None:
    name = f"{plain.host}/tools/x:1"
    ours.store.add_image(name, PROGRAM, {})
    path = ours.store.path / "blobs" / "sha256" / digest(PROGRAM)[7:]
    path.chmod(0o644)
    path.write_bytes(PROGRAM[:-1] + b"!")
    manifests = takes_uploads(plain)
    with pytest.raises(DigestMismatch, match="content is sha256") as caught:
        send(ours, plain, name)
    assert notes(caught.value) == [f"beepy pull {name}"]
    assert manifests == {}
    assert set(plain.blobs) == {digest(b"{}")}


def test_a_partial_image_is_not_pushed(plain: Hostile, ours: Ours) -> None:
    """The note names the reference that can be pulled, not the one that is pushed to."""
    name = f"{plain.host}/tools/x:1"
    ours.store.add_image(name, PROGRAM, {})
    ours.store.tag(name, plain.image)
    (ours.store.path / "blobs" / "sha256" / digest(b"{}")[7:]).unlink()
    with pytest.raises(StoreError, match=rf"{plain.image}: partial: .*: blob not found") as caught:
        send(ours, plain, plain.image)
    assert notes(caught.value) == [f"beepy pull {name}"]
    assert plain.seen == []


def test_names(plain: Hostile, ours: Ours, stored: str) -> None:
    takes_uploads(plain)
    pinned = f"{plain.host}/{NAME}@{stored}"
    assert send(ours, plain, target=pinned) == stored
    assert plain.seen[-1].path == f"/v2/{NAME}/manifests/{stored}"
    assert send(ours, plain, target=f"{plain.host}/{NAME}:2@{stored}") == stored
    assert plain.seen[-1].path == f"/v2/{NAME}/manifests/2"
    plain.seen.clear()
    with pytest.raises(DigestMismatch, match=f"content is {stored}, expected sha256:0000"):
        send(ours, plain, target=f"{plain.host}/{NAME}@sha256:{'0' * 64}")
    for text, why in (("y", "no image 'y'"), (plain.image, "not found locally")):
        with pytest.raises(ImageNotFound, match=why):
            send(ours, plain, text)
    assert plain.seen == []


def test_registries_toml_says_where_to(plain: Hostile, ours: Ours, home: Path) -> None:
    """A name is expanded, whether it is pushed or pushed to; a blocked registry is refused."""
    takes_uploads(plain)
    path = home / ".config" / "beepy" / "registries.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'default-registry = "{plain.host}"\n[aliases]\nshort = "{plain.image}"\n')
    beepy = Beepy(home, {"BEEPY_STORAGE": str(ours.store.path)})
    stored = ours.store.add_image(plain.image, PROGRAM, {})
    assert beepy("push", "short") == (0, f"{plain.image} {stored}\n", "")
    assert beepy("push", plain.image, f"{NAME}:2").out == f"{plain.host}/{NAME}:2 {stored}\n"
    assert beepy("inspect", "short").out.startswith("image    short (in the local store)\n")
    with path.open("a") as file:
        file.write(f'[[registry]]\nprefix = "{plain.host}"\nblocked = true\n')
    plain.seen.clear()
    for command in (("push", "short"), ("login", plain.host, "-u", "me", "-p", "x")):
        assert "blocked by" in beepy(*command).said[-1]
    assert plain.seen == []


def index_of(ours: Ours, name: str, *programs: bytes) -> bytes:
    """Store an index of images, one for each program; return its bytes."""
    children = []
    for number, program in enumerate(programs):
        manifest = bee.write_manifest(program, {"number": str(number)})
        for blob in (program, b"{}", manifest):
            ours.store.layout.add_blob(blob, descriptor_of(blob))
        children.append(
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest(manifest),
                "size": len(manifest),
                "platform": {"os": "linux", "architecture": ("amd64", "arm64")[number]},
            }
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    ours.store.put(name, index)
    return index


def test_an_index_follows_its_manifests(plain: Hostile, ours: Ours) -> None:
    index = index_of(ours, "two", PROGRAM, PROGRAM[::-1])
    manifests = takes_uploads(plain)
    assert send(ours, plain, "two") == digest(index)
    assert list(manifests)[-1] == "1"
    assert manifests["1"] == index
    children = [child["digest"] for child in json.loads(index)["manifests"]]
    assert list(manifests)[:-1] == children
    assert set(plain.blobs) == {digest(blob) for blob in (b"{}", PROGRAM, PROGRAM[::-1])}
    plain.seen.clear()
    pinned = f"{plain.host}/{NAME}@{children[1]}"
    ours.store.tag("two", f"{plain.host}/{NAME}:two")
    assert send(ours, plain, pinned, pinned) == children[1], "one manifest of an index"


def test_a_manifest_of_an_index_that_lacks_another(plain: Hostile, ours: Ours) -> None:
    """As after a run, which fetches what fits this machine only."""
    index = index_of(ours, f"{plain.host}/{NAME}:two", PROGRAM, PROGRAM[::-1])
    first, second = [child["digest"] for child in json.loads(index)["manifests"]]
    ours.store.add_image(f"{plain.host}/{NAME}:damaged", b"\x7fELF damaged", {})
    damaged = ours.store.list()[-1].digest
    for missing in (first, damaged):
        (ours.store.path / "blobs" / "sha256" / missing[7:]).unlink()
    takes_uploads(plain)
    pinned = f"{plain.host}/{NAME}@{second}"
    assert send(ours, plain, pinned, pinned) == second
    with pytest.raises(ImageNotFound, match="not found locally"):
        send(ours, plain, f"{plain.host}/{NAME}@{first}")


def test_progress_ends_with_every_blob(plain: Hostile, ours: Ours) -> None:
    ours.store.add_image("large", LARGE, {})
    takes_uploads(plain)
    reported: list[tuple[str, int]] = []

    def note(blob: Descriptor, done: int) -> None:
        reported.append((blob.digest, done))

    options = Options(storage=ours.store.path)
    push("large", plain.image, options, progress=note)
    sizes = [done for name, done in reported if name == digest(LARGE)]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(LARGE)
    assert len(sizes) > 4


def test_the_command(plain: Hostile, ours: Ours, home: Path) -> None:
    takes_uploads(plain)
    beepy = Beepy(home, {"BEEPY_STORAGE": str(ours.store.path)})
    stored = ours.store.add_image("x", PROGRAM, {})
    assert beepy("push", "x", plain.image) == (0, f"{plain.image} {stored}\n", "")
    plain.twists.insert(0, lambda call: call.answer(403, WORDS))
    done = beepy("push", "x", plain.image)
    assert (done.code, done.out) == (1, "")
    assert done.said[0] == (
        f"beepy: {plain.image}: blob {digest(b'{}')}: access denied: {plain.host} answers 403"
    )
    assert done.said[1].endswith(f"beepy login {plain.host}")
    done = beepy("push", "x")
    assert (done.code, done.said) == (
        2,
        ["beepy: x: names no registry to push to", "note: beepy push x REGISTRY/x"],
    )
