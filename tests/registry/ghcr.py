"""ghcr.io as it answers, on this machine alone: run inside ``unshare -m -n`` as a script.

``ghcr.py FOLDER COMMAND...`` brings up loopback, puts a private /etc/hosts in place, serves https on 443 as
ghcr.io (401 with its own token realm, 307 to another host for blobs) and as that host, runs the command, and writes
what each host saw to FOLDER/seen.json. The program that is served is the file FOLDER/program.o.
"""

import json
import ssl
import subprocess
import sys
from pathlib import Path

import trustme

from tests.registry.hostile import Call, Hostile, challenge, digest, on, redirect

HOST, BLOBS = "ghcr.io", "pkg-containers.githubusercontent.com"
REPOSITORY, TAG = "solo-io/bumblebee/exitsnoop", "0.0.14"
SCOPE = f"repository:{REPOSITORY}:pull"


def private_hosts(folder: Path) -> None:
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.2 {HOST}\n127.0.0.3 {BLOBS}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def context(ca: trustme.CA, name: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(made)
    return made


def token(call: Call) -> bool:
    good = "scope=" + SCOPE.replace("/", "%2F").replace(":", "%3A") in call.path
    return call.answer(200, b'{"token":"good"}') if good else call.answer(403, b"{}")


def main(folder: Path, command: list[str]) -> int:
    private_hosts(folder)
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    program = (folder / "program.o").read_bytes()
    ghcr = Hostile(context(ca, HOST), ("127.0.0.2", 443), f"{REPOSITORY}:{TAG}", program)
    blobs = Hostile(context(ca, BLOBS), ("127.0.0.3", 443), f"{REPOSITORY}:{TAG}", program)
    try:
        realm = f'Bearer realm="https://{HOST}/token",service="{HOST}",scope="{SCOPE}"'
        ghcr.twists += [
            challenge(lambda: realm),
            on("/token", token),
            redirect("/blobs/", lambda call: f"https://{BLOBS}/ghcrblobs1{call.path}?se=2026&sig=x"),
        ]
        blobs.twists.append(
            lambda call: (
                call.route.startswith("/ghcrblobs1/") and call.answer(200, blobs.blobs[call.route.rpartition("/")[2]])
            )
        )
        ran = subprocess.run(command, check=False)
    finally:
        ghcr.close()
        blobs.close()
    seen = {name: [tuple(request)[:3] for request in host.seen] for name, host in ((HOST, ghcr), (BLOBS, blobs))}
    (folder / "seen.json").write_text(json.dumps({**seen, "manifest": digest(ghcr.manifest)}))
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
