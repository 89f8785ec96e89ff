"""What a server that takes uploads does, as twists of ``Hostile``."""

import contextlib
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from tests.registry.hostile import Call, Hostile, Twist, digest


def takes_uploads(
    server: Hostile, location: Callable[[Call], str] = lambda _: "1?state=a"
) -> dict[str, bytes]:
    """Let a server take blobs and manifests; return the manifests by tag and digest.

    ``location`` is where the bytes of a blob are sent, relative to where uploads begin.
    """
    manifests: dict[str, bytes] = {}

    def take(call: Call) -> bool:
        body = server.seen[-1].body
        kind, _, name = call.route.removeprefix(f"/v2/{server.name}/").partition("/")
        if call.command == "HEAD" and kind == "blobs":
            return call.answer(200 if name in server.blobs else 404)
        if call.command == "POST" and kind == "blobs":
            return call.answer(202, Location=location(call))
        if call.command == "PUT" and kind == "manifests":
            manifests[name] = body
            return call.answer(201, Docker_Content_Digest=digest(body))
        return takes_blob(server)(call) or (call.command == "DELETE" and call.answer(204))

    server.blobs.clear()
    server.twists.append(take)
    return manifests


def takes_blob(server: Hostile) -> Twist:
    """Take the bytes of a blob at any path, if they have the digest that the query names."""

    def take(call: Call) -> bool:
        if call.command != "PUT":
            return False
        body = server.seen[-1].body
        (named,) = parse_qs(urlsplit(call.path).query)["digest"]
        if named != digest(body):
            return call.answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"other"}]}')
        server.blobs[named] = body
        return call.answer(201)

    return take


def dies_at(part: str, size: int) -> Twist:
    """Read ``size`` bytes of the body of a PUT to ``part``, and close the connection."""

    def die(call: Call) -> bool:
        if call.command != "PUT" or not re.search(part, call.route):
            return False
        call.rfile.read(size)
        call.close_connection = True
        with contextlib.suppress(OSError):
            call.connection.shutdown(2)
        return True

    return die
