"""A real registry (docker-registry, distribution 2.8) on 127.0.0.1, and its token server."""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import trustme
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from tests.registry.hostile import Call, Hostile, Twist

PROGRAM = "docker-registry"
USER, PASSWORD = "me", "s3cret-of-the-test"
HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuujsWknM8pfBPdRxoOJt8hu.sWw2vTXTq\n"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ISSUER, SERVICE = "tokens of the test", "registry of the test"


class Running(NamedTuple):
    """A running registry: how an independent client pushes to it, and what ours needs to pull."""

    host: str
    push: tuple[str, ...]
    ca_file: Path | None
    wants_login: bool


@contextmanager
def running(folder: Path, http: Mapping[str, object], auth: Mapping[str, object]) -> Iterator[str]:
    """Run the registry on a port that the kernel chooses; yield host and port."""
    config = folder / "config.yml"  # JSON is YAML
    settings: dict[str, object] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": "127.0.0.1:0", **http},
    }
    config.write_text(json.dumps({**settings, **({"auth": auth} if auth else {})}))
    with subprocess.Popen([PROGRAM, "serve", config], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = []
        try:
            for line in process.stderr:
                lines.append(line)
                if "listening on " in line:
                    break
            else:
                message = f"{PROGRAM} did not start:\n{''.join(lines)}"
                raise AssertionError(message)
            address = line.partition("listening on ")[2].replace('"', ",").partition(",")[0]
            # a pipe that nobody reads stops the registry once it is full
            reader = threading.Thread(target=process.stderr.read)
            reader.start()
            try:
                yield address
            finally:
                process.terminate()
                reader.join()
        finally:
            process.terminate()


def copy(store: Path, target: str, *flags: str) -> None:
    """Push the image ``x`` of a store with skopeo."""
    command = ["skopeo", "copy", "-q", *flags, f"oci:{store}:x", f"docker://{target}"]
    subprocess.run(command, check=True)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """Creates the tokens that distribution specifies: JWT, ES256, with a certificate in ``x5c``."""

    def __init__(self, ca: trustme.CA) -> None:
        leaf = ca.issue_cert("tokens.example")
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        self._key = key
        certificate = load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        self._header = {"typ": "JWT", "alg": "ES256", "x5c": chain}

    def token(self, scopes: list[str]) -> str:
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": "1",
            "access": access,
        }
        signed = ".".join(_part(json.dumps(part).encode()) for part in (self._header, claims))
        first, second = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(SHA256())))
        return f"{signed}.{_part(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"


def gives_tokens(signer: Signer, asked: list[list[str]]) -> Twist:
    """Answer ``/token`` for the one user, with what was asked for."""

    def twist(call: Call) -> bool:
        query = parse_qs(urlsplit(call.path).query)
        asked.append(query.get("scope", []))
        if call.headers.get("Authorization") != BASIC or query.get("service") != [SERVICE]:
            return call.answer(401, b"{}")
        return call.answer(
            200, json.dumps({"token": signer.token(query.get("scope", []))}).encode()
        )

    return lambda call: call.route == "/token" and twist(call)


@contextmanager
def plain(folder: Path) -> Iterator[Running]:
    with running(folder, {}, {}) as host:
        yield Running(host, ("--dest-tls-verify=false",), None, wants_login=False)


@contextmanager
def htpasswd(folder: Path) -> Iterator[Running]:
    path = folder / "htpasswd"
    path.write_text(HTPASSWD)
    with running(folder, {}, {"htpasswd": {"realm": "r", "path": str(path)}}) as host:
        yield Running(
            host,
            ("--dest-tls-verify=false", f"--dest-creds={USER}:{PASSWORD}"),
            None,
            wants_login=True,
        )


@contextmanager
def tls(folder: Path) -> Iterator[Running]:
    ca = trustme.CA()
    leaf = ca.issue_cert("127.0.0.1")
    trusted = folder / "trusted"
    trusted.mkdir()
    ca.cert_pem.write_to_path(str(trusted / "ca.crt"))
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    http = {"tls": {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}}
    with running(folder, http, {}) as host:
        yield Running(host, (f"--dest-cert-dir={trusted}",), trusted / "ca.crt", wants_login=False)


@contextmanager
def bearer(folder: Path) -> Iterator[Running]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "roots.pem"))
    asked: list[list[str]] = []
    realm = Hostile()
    realm.twists.append(gives_tokens(Signer(ca), asked))
    token = {
        "realm": f"{realm.url}/token",
        "service": SERVICE,
        "issuer": ISSUER,
        "rootcertbundle": str(folder / "roots.pem"),
    }
    try:
        with running(folder, {}, {"token": token}) as host:
            yield Running(
                host,
                ("--dest-tls-verify=false", f"--dest-creds={USER}:{PASSWORD}"),
                None,
                wants_login=True,
            )
    finally:
        realm.close()
    assert any(scopes and scopes[0].endswith(":pull") for scopes in asked)


SETUPS = {"plain": plain, "htpasswd": htpasswd, "tls": tls, "bearer": bearer}
