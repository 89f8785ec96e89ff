"""Structure-aware mutants of images: indexes, manifests, tar files, layouts, references.

Digests and sizes above a mutant are mostly made right again, so that what is wrong is met where it
stands.
"""

import hashlib
import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

from beepy.oci.descriptor import digest_of
from beepy.oci.formats import bee
from beepy.oci.manifest import CREATED, MEDIA_TYPES, OCI_INDEX, OCI_MANIFEST, REF_NAME

LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
NAME: Final = "mutant:1"

_DIGEST: Final = "sha256:" + hashlib.sha256(b"").hexdigest()
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 1 << 31, 1 << 63, 1 << 64, 10**400, -(10**400), 0.5, 1e308,
    float("inf"),
    float("nan"), "", "a", "x" * 5000, "\0", "\x1b[2J", "\ud800", "\u202e", "../../etc/passwd",
    "sha256:", _DIGEST,
    _DIGEST.upper(), "sha512:" + "0" * 128, "latest", [], {}, [[]], [None], [{}], {"": ""},
    {"a": 1},
    *MEDIA_TYPES, bee.PROGRAM, "linux", "amd64", "unknown",
    {"os": "linux", "architecture": "amd64"},
    {"os": 1}, ["linux"],
)  # fmt: skip
_KEYS: Final = (
    "schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "digest", "size",
    "platform",
    "artifactType", "subject", "os", "architecture", "variant", REF_NAME, "imageLayoutVersion", "",
)  # fmt: skip


_MAX_PLACES: Final = 1000  # beyond them nothing is changed any more


class Blobs(NamedTuple):
    """A layout in hand: what its files hold."""

    layout: bytes
    names: bytes
    blobs: dict[str, bytes]


def mutant(program: bytes, rng: Random) -> Blobs:
    """Return a layout with one image of ``program``, mutated in one to three places."""
    places = rng.choices(
        ("manifest", "list", "index", "layout", "blob"), (6, 3, 4, 1, 1), k=rng.choice((1, 1, 2, 3))
    )
    blobs = {digest_of(data): data for data in (program, bee.CONFIG_BODY)}
    manifest = bee.write_manifest(program, {CREATED: "2026-11-24T00:00:00Z"})
    if "manifest" in places:
        manifest = mutated(manifest, rng)
    top = add(blobs, manifest, OCI_MANIFEST)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3)) if "list" in places else 0):
        other = {
            **top,
            "platform": {"os": "linux", "architecture": rng.choice(("amd64", "arm64", "x86_64"))},
        }
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [other] * rng.choice((1, 2, 2, 129)),
        }
        top = add(blobs, mutated(json.dumps(body).encode(), rng), OCI_INDEX)
    entry = {**top, "annotations": {REF_NAME: NAME}}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    if "index" in places:
        index = mutated(index, rng)
    layout = mutated(LAYOUT, rng) if "layout" in places else LAYOUT
    if "blob" in places:
        digest = rng.choice(list(blobs))
        blobs[digest] = _broken(blobs[digest], rng)
    return Blobs(layout, index, blobs)


def add(blobs: dict[str, bytes], data: bytes, media_type: str) -> dict[str, Any]:
    """Add a blob; return its descriptor."""
    digest = digest_of(data)
    blobs[digest] = data
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def mutated(
    data: bytes,
    rng: Random,
    keys: Sequence[str] = _KEYS,
    values: Sequence[Any] = VALUES,
) -> bytes:
    """Return a mutant of a JSON text; ``keys`` and ``values`` are what is put into it."""
    if rng.random() < 0.12:
        return _broken(data, rng)
    body = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _change(body, rng, keys, values)
    if rng.random() < 0.03:
        return _deep(body, rng)
    return json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _change(
    body: Any,  # noqa: ANN401 - JSON
    rng: Random,
    keys: Sequence[str],
    values: Sequence[Any],
) -> None:
    """Change one value of those within ``body``, or the keys around it."""
    found = [body]
    for one in found:
        found += [
            inner
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    if len(found) > _MAX_PLACES:
        return
    place = rng.choice(found)
    if isinstance(place, list):
        at = rng.randrange(len(place) + 1)
        end = rng.choice((at, at + 1))
        more = [_copied(one) for one in place[-1:] * rng.choice((1, 2, 130))]
        place[at:end] = rng.choice(([], [_copied(rng.choice(values))], more))
        return
    key = rng.choice((*place, rng.choice(keys)))
    match rng.randrange(5):
        case 0:
            place.pop(key, None)
        case 1:
            place[rng.choice(keys)] = _copied(place.get(key))
        case 2:
            place[key] = _copied(rng.choice(found))
        case 3 if isinstance(place.get(key), int):
            place[key] += rng.choice((-1, 1, 1 << 20))
        case _:
            place[key] = _copied(rng.choice(values))


def _copied(value: Any) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(value))


def _deep(body: Any, rng: Random) -> bytes:  # noqa: ANN401 - JSON
    """Replace some value by one of very many brackets; reading and printing it must not crash."""
    key = rng.choice([*body, "a"])
    depth = rng.choice((100, rng.randrange(880, 1000), rng.randrange(950, 1000), 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    inner = opening * depth + "1" + closing * depth
    return json.dumps({**body, key: "HERE"}).replace('"HERE"', inner).encode()


def _broken(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) or 1)
    match rng.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data + rng.choice((b"x", b" ", b"\0", data))
        case 2:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 3:
            return rng.choice(
                (b"", b"\xef\xbb\xbf" + data, data.decode("latin-1").encode("utf-16"))
            )
        case 4:
            return rng.choice(
                (
                    b"[" * 100_000,
                    b'{"a":' * 100_000,
                    b"9" * 5000,
                    b"null",
                    b"[]",
                    b'""',
                    b"NaN",
                    b"{}",
                )
            )
        case _:
            return data[:at] + rng.choice((b"\xff", b'"', b"{", b"\\ud800", b"1e999")) + data[at:]


def archive(layout: Blobs, rng: Random) -> bytes:
    """Return the layout as a tar file, its headers mutated one time of two."""
    files = {"oci-layout": layout.layout, "index.json": layout.names}
    files |= {
        f"blobs/sha256/{digest.removeprefix('sha256:')}": data
        for digest, data in layout.blobs.items()
    }
    tar = bytearray()
    headers = []
    for name, data in files.items():
        headers.append(len(tar))
        head = bytearray(512)
        head[: len(name)] = name.encode()
        head[100:108] = b"0000644\0"
        head[124:136] = b"%011o\0" % len(data)
        head[156:157] = b"0"
        head[257:265] = b"ustar\x0000"
        tar += head + data + bytes(-len(data) % 512)
    tar += bytes(1024)
    if rng.random() < 0.5:
        _change_header(tar, rng.choice(headers), rng)
    return bytes(tar) if rng.random() < 0.9 else bytes(tar[: rng.randrange(len(tar))])


def _change_header(tar: bytearray, at: int, rng: Random) -> None:
    match rng.randrange(5):
        case 0:
            sizes = (
                b"",
                b"77777777777\0",
                b"-0000000001\0",
                b"\x80" + b"\xff" * 11,
                b"0x000000010\0",
                b"%011o\0" % 0,
                b" 1",
            )
            tar[at + 124 : at + 136] = rng.choice(
                (*sizes, b"%011o\0" % rng.randrange(1 << 20))
            ).ljust(12, b"\0")
        case 1:
            tar[at + 156] = rng.choice(b"0123456789xgLKS\0\xff")
        case 2:
            text = rng.choice(
                (
                    b"./index.json",
                    b"index.json",
                    b"/index.json",
                    b"../x",
                    b"\xff" * 100,
                    b"oci-layout/",
                    b"",
                )
            )
            tar[at : at + 100] = text.ljust(100, b"\0")
        case 3:
            tar[at + 257] ^= 1 << rng.randrange(8)
        case _:
            tar[at + rng.randrange(512)] = rng.randrange(256)


_PIECES: Final = (
    "a", "b.c", "localhost", "docker.io", "index.docker.io", "ghcr.io", "[::1]", "[", "]", "UPPER",
    "x" * 60,
    "x" * 130, "0" * 64, _DIGEST, "sha256:", "sha512:" + "a" * 128, "latest", "v1.0_x-y", "5000",
    "99999", "-", "--",
    "_", "__", "___", ".", "..", " ", "\n", "\0", "\u202e", "\ud800", "\u0663", "\xe9",
    "a-" * 300, "%2e", "\\",
)  # fmt: skip


def reference(rng: Random) -> str:
    """Return a text made of what references are made of."""
    text = rng.choice(
        ("", "ghcr.io/", "localhost:5000/", "[::1]:5000/", "a.b/", "UP/", "index.docker.io/")
    )
    text += rng.choice(
        ("solo-io/bumblebee/exitsnoop", "x", "library/x", "a/" * rng.randrange(140) + "b")
    )
    text += rng.choice(("", ":0.0.14", ":latest", f":{'t' * rng.randrange(127, 130)}"))
    text += rng.choice(("", "", f"@{_DIGEST}"))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at, end = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        piece = rng.choice((*"/:@.-_", rng.choice(_PIECES), text[at:end]))
        text = text[:at] + piece + text[rng.choice((at, end)) :]
    return text
