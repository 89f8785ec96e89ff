"""Clients and servers of this tier. All stay on 127.0.0.1; no setting of the user is read."""

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import oras.provider
import pytest
import trustme

from beepy.errors import ImageError
from beepy.oci import auth, client, lookup, transport
from beepy.oci.descriptor import digest_of
from beepy.oci.image import Image
from beepy.oci.store import Store
from tests.registry.hostile import Hostile, serving


class Authority(NamedTuple):
    """A certificate authority of the test's own."""

    ca: trustme.CA
    ca_file: Path

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return Authority(ca, path)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty home, and short limits."""
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    for name in (
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client, "LIMITS", transport.Limits(connect_s=5, read_s=10, exchange_s=20))
    monkeypatch.setattr(auth, "RUN", path / "containers")
    monkeypatch.setattr(transport, "CERTS_D", (path / "certs.d",))
    return path


@pytest.fixture
def plain() -> Iterator[Hostile]:
    with serving() as server:
        yield server


@pytest.fixture
def tls(authority: Authority) -> Iterator[Hostile]:
    with serving(authority.server()) as server:
        yield server


@pytest.fixture
def other(authority: Authority) -> Iterator[Hostile]:
    """Yield another https server under the same authority."""
    with serving(authority.server()) as server:
        yield server


class Ours(NamedTuple):
    """beepy's client with a store of its own."""

    store: Store
    ca_file: Path
    home: Path

    def log_in(self, host: str, **entry: str) -> None:
        """Leave a log-in where docker does."""
        folder = self.home / ".docker"
        folder.mkdir()
        entry = entry or {"auth": base64.b64encode(b"me:secret").decode()}
        (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))

    def pull(self, image: str, **changes: Any) -> Image:  # noqa: ANN401 - fields of Options
        options = lookup.Options(storage=self.store.path, ca_file=self.ca_file)
        return lookup.pull(image, options._replace(**changes))

    def refuses(self, image: str, **changes: Any) -> str:  # noqa: ANN401 - fields of Options
        """Pull and return the one-line refusal; the store holds no name and no partial file."""
        with pytest.raises(ImageError) as caught:
            self.pull(image, **changes)
        line = str(caught.value)
        assert line.isprintable()
        assert len(line) < 500
        assert line.startswith(image.partition("@")[0].rpartition(":")[0])
        assert self.store.list() == ()
        self.is_clean()
        return f"{type(caught.value).__name__}: {line}"

    def is_clean(self) -> None:
        if (self.store.path / "ingest").exists():
            assert list((self.store.path / "ingest").iterdir()) == []
        for blob in self.store.path.glob("blobs/sha256/*"):
            assert digest_of(blob.read_bytes()) == f"sha256:{blob.name}"


@pytest.fixture
def ours(tmp_path: Path, authority: Authority, home: Path) -> Ours:
    return Ours(Store(tmp_path / "store"), authority.ca_file, home)


class Theirs:
    """oras-py's own client, as it comes."""

    def __init__(self, ca_file: Path, out: Path) -> None:
        self._ca_file, self._out = ca_file, out
        self._made: list[oras.provider.Registry] = []

    def client(self, server: Hostile) -> oras.provider.Registry:
        self._made.append(
            oras.provider.Registry(insecure=not server.tls, tls_verify=str(self._ca_file))
        )
        return self._made[-1]

    def pull(self, server: Hostile, image: str) -> list[str]:
        """Pull, and return the files that were written."""
        files: list[str] = self.client(server).pull(image, outdir=str(self._out))
        return files

    def program(self, server: Hostile, image: str) -> bytes:
        """Pull, and return the program as it was taken."""
        return Path(self.pull(server, image)[0]).read_bytes()

    def close(self) -> None:
        for registry in self._made:
            registry.session.close()


@pytest.fixture
def theirs(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Theirs]:
    # Without sleep: the retries of oras-py last two minutes.
    monkeypatch.setattr(oras.decorator, "time", SimpleNamespace(sleep=lambda _: None))
    client = Theirs(authority.ca_file, tmp_path / "out")
    yield client
    client.close()
