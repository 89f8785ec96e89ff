"""ghcr.io as it answers, on this machine alone: run inside ``unshare -m -n`` as a script.

``ghcr.py FOLDER COMMAND...`` brings up loopback, puts a private /etc/hosts in place, serves https
on 443 as ghcr.io (401 with its own token realm, 307 to another host for blobs) and as that host,
runs the command, and writes what each host saw to FOLDER/seen.json. The images are the files
FOLDER/images/REPOSITORY:TAG, each a program; they are served without TLS on localhost:5000 too, as
a registry for trying out is.
"""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme

from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_MANIFEST
from tests.registry.hostile import Call, Hostile, Twist, digest, on, redirect

HOST, BLOBS = "ghcr.io", "pkg-containers.githubusercontent.com"


def private_hosts(folder: Path) -> None:
    hosts = folder / "hosts"
    hosts.write_text(
        f"127.0.0.1 localhost {socket.gethostname()}\n127.0.0.2 {HOST}\n127.0.0.3 {BLOBS}\n"
    )
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def context(ca: trustme.CA, name: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(made)
    return made


def scope(path: str) -> str:
    """Return the scope of a request below /v2/."""
    repository = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
    return f"repository:{repository}:pull"


def asks_for_a_token(call: Call) -> bool:
    """Answer 401 to what has no token for its repository."""
    if not call.route.startswith("/v2/") or call.headers.get("Authorization") == "Bearer good":
        return False
    realm = f'Bearer realm="https://{HOST}/token",service="{HOST}",scope="{scope(call.route)}"'
    return call.answer(401, b"{}", WWW_Authenticate=realm)


def token(call: Call) -> bool:
    (asked,) = parse_qs(urlsplit(call.path).query).get("scope", [""])
    known = asked.startswith("repository:") and asked.endswith(":pull")
    return call.answer(200, b'{"token":"good"}') if known else call.answer(403, b"{}")


def has_images(programs: Mapping[str, bytes]) -> Twist:
    """Answer for manifests and blobs of these images, by REPOSITORY:TAG, like any registry."""
    manifests = {name: bee.write_manifest(program, {}) for name, program in programs.items()}
    contents = {digest(blob): blob for blob in (*programs.values(), *manifests.values(), b"{}")}

    def answer(call: Call) -> bool:
        repository, _, reference = (
            call.route.removeprefix("/v2/")
            .replace("/blobs/", "/manifests/")
            .partition("/manifests/")
        )
        body = manifests.get(f"{repository}:{reference}", contents.get(reference))
        if body is None:
            return False
        kind = OCI_MANIFEST
        return call.answer(200, body, Content_Type=kind, Docker_Content_Digest=digest(body))

    return answer


def main(folder: Path, command: list[str]) -> int:
    private_hosts(folder)
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    images = folder / "images"
    programs = {
        str(path.relative_to(images)): path.read_bytes()
        for path in images.rglob("*")
        if path.is_file()
    }
    ghcr = Hostile(context(ca, HOST), ("127.0.0.2", 443))
    blobs = Hostile(context(ca, BLOBS), ("127.0.0.3", 443))
    trial = Hostile(None, ("127.0.0.1", 5000))
    serve = has_images(programs)
    try:
        ghcr.twists += [
            asks_for_a_token,
            on("/token", token),
            redirect(
                "/blobs/", lambda call: f"https://{BLOBS}/ghcrblobs1{call.path}?se=2026&sig=x"
            ),
            serve,
        ]
        blobs.twists.append(lambda call: call.route.startswith("/ghcrblobs1/") and serve(call))
        trial.twists.append(serve)
        ran = subprocess.run(command, check=False)
    finally:
        for host in (ghcr, blobs, trial):
            host.close()
    seen = {
        name: [tuple(request)[:3] for request in host.seen]
        for name, host in ((HOST, ghcr), (BLOBS, blobs))
    }
    (folder / "seen.json").write_text(json.dumps(seen))
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
