"""Type the lines of bee's guide one after the other: run inside ``unshare -m -n`` as a script.

``guide.py FOLDER`` brings up loopback and a private /etc/hosts, serves a registry over TLS with a
password as ghcr.io and one without as localhost:5000, and puts ``beepy`` on the PATH. It reads the
lines from standard input, as a JSON array, types each into a shell in FOLDER, and writes how each
ended to FOLDER/ends.json.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import trustme

from tests.registry import distribution
from tests.registry.ghcr import HOST, private_hosts
from tests.registry.typed import command
from tests.support.command import PATIENCE


def ghcr(folder: Path) -> ExitStack:
    """Serve ghcr.io; its authority is in FOLDER/ca.pem."""
    folder.mkdir()
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder.parent / "ca.pem"))
    leaf = ca.issue_cert(HOST)
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    (folder / "htpasswd").write_text(distribution.HTPASSWD)
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    http = {"addr": "127.0.0.2:443", "tls": tls}
    auth = {"htpasswd": {"realm": "r", "path": str(folder / "htpasswd")}}
    served = ExitStack()
    served.enter_context(distribution.running(folder, http, auth))
    return served


def main(folder: Path) -> None:
    private_hosts(folder)
    command(folder)
    env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    env["SSL_CERT_FILE"] = str(folder / "ca.pem")
    (folder / "trial").mkdir()
    trial = {"addr": "127.0.0.1:5000"}
    with ghcr(folder / "ghcr"), distribution.running(folder / "trial", trial, {}):
        ends = []
        for line in json.load(sys.stdin):
            done = subprocess.run(
                ["bash", "-c", line],
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            ends.append((done.returncode, done.stdout, done.stderr))
    (folder / "ends.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
