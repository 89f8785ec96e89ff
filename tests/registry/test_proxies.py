"""Registries behind a proxy, which alone knows their names."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci import client, transport
from beepy.oci.store import Store
from tests.registry import distribution
from tests.registry.conftest import Authority, Ours
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
from tests.registry.proxy import Handler, Proxy, proxying
from tests.support.command import Beepy

pytestmark = pytest.mark.registry

SECRET = "s3cret-of-the-proxy"
BASIC = "Basic bWU6czNjcmV0LW9mLXRoZS1wcm94eQ=="


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Yield a proxy that the environment names, with a password."""
    with proxying() as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://me:{SECRET}@{proxy.address}")
        yield proxy


@pytest.fixture
def far(authority: Authority) -> Iterator[Hostile]:
    """Yield a TLS registry that is called registry.test."""
    with serving(authority.server("registry.test")) as server:
        yield server


def image(server: Hostile) -> str:
    return f"registry.test:{server.port}/{NAME}:1"


def test_a_real_registry_behind_tls(
    proxy: Proxy, authority: Authority, ours: Ours, tmp_path: Path
) -> None:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    leaf = authority.ca.issue_cert("registry.test", "127.0.0.1")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    http = {"tls": {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}}
    store = Store(tmp_path / "pushed")
    digest = store.add_image("x", PROGRAM, {})
    with distribution.running(tmp_path, http, {}) as host:
        name = f"registry.test:{host.rpartition(':')[2]}/x:1"
        trusted = tmp_path / "trusted"
        trusted.mkdir()
        shutil.copy(authority.ca_file, trusted / "ca.crt")
        distribution.copy(store.path, f"{host}/x:1", f"--dest-cert-dir={trusted}")
        assert ours.pull(name).digest == digest
    assert set(proxy.seen) == {f"CONNECT {name.partition('/')[0]}"}
    assert set(proxy.authorizations) == {BASIC}


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_plain_http(
    proxy: Proxy, plain: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, f"me:{SECRET}@{proxy.address}")  # without http://
    assert ours.pull(image(plain), plain_http=True).programs == (PROGRAM,)
    assert proxy.seen[0] == f"GET http://registry.test:{plain.port}/v2/{NAME}/manifests/1"
    assert set(proxy.authorizations) == {BASIC}
    assert plain.authorizations == set()


def test_a_token_realm_and_a_redirect(
    proxy: Proxy, far: Hostile, authority: Authority, ours: Ours
) -> None:
    with (
        serving(authority.server("tokens.test")) as tokens,
        serving(authority.server("blobs.test")) as blobs,
    ):
        realm = f"https://tokens.test:{tokens.port}/token"
        far.twists.append(challenge(lambda: f'Bearer realm="{realm}",service="s"'))
        tokens.twists.append(on("/token", give_token))

        def moved(call: Call) -> str:
            return f"https://blobs.test:{blobs.port}{call.path}"

        far.twists.append(redirect("/blobs/", moved))
        assert ours.pull(image(far)).programs == (PROGRAM,)
        assert set(proxy.seen) == {
            f"CONNECT registry.test:{far.port}",
            f"CONNECT tokens.test:{tokens.port}",
            f"CONNECT blobs.test:{blobs.port}",
        }
        assert blobs.authorizations == set()
    for server in (far, tokens, blobs):
        assert not any("proxy" in (seen.authorization or "") for seen in server.seen)


def test_never_for_this_machine(proxy: Proxy, plain: Hostile, ours: Ours) -> None:
    assert ours.pull(plain.image).programs == (PROGRAM,)
    assert proxy.seen == []


@pytest.mark.parametrize(
    ("entries", "direct", "proxied"),
    [
        ("a.test", ["a.test", "x.a.test"], ["ba.test", "b.test", "a.test.b"]),
        (".a.test", ["a.test", "x.a.test"], ["ba.test"]),
        ("A.TEST,b.test", ["a.test", "b.test"], ["c.test"]),
        ("a.test:5000", ["a.test:5000"], ["a.test", "a.test:5001"]),
        ("10.0.0.0/8", ["10.1.2.3", "10.1.2.3:5000"], ["11.1.2.3"]),
        ("10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]),
        ("fd00::1", ["[fd00::1]"], ["[fd00::2]"]),
        ("*", ["a.test", "10.1.2.3", "[fd00::1]"], []),
        ("", ["localhost", "127.0.0.2", "[::1]"], ["a.test"]),
    ],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_hosts_that_are_reached_directly(
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    *,
    variable: str,
    entries: str,
    direct: list[str],
    proxied: list[str],
) -> None:
    monkeypatch.setenv(variable, entries)
    address = f"http://me:{SECRET}@{proxy.address}"
    for host in (*direct, *proxied):
        name = host.partition("]")[0].strip("[") if "[" in host else host.partition(":")[0]
        expected = {} if host in direct else {"https": address}
        assert transport.proxies(f"https://{host}/v2/", name) == expected


def refuses(handler: Handler) -> bool:
    handler.send_error(407)
    return True


def hangs(handler: Handler) -> bool:
    handler.rfile.read(1)
    return True


def drips(handler: Handler) -> bool:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:  # until the client cuts the connection
        handler.wfile.write(b"X")
        time.sleep(0.05)


def test_a_proxy_that_refuses(proxy: Proxy, far: Hostile, ours: Ours) -> None:
    proxy.instead = refuses
    where = f"{image(far)}: registry.test:{far.port}: proxy {proxy.address}: "
    assert ours.refuses(image(far)) == (
        f"RegistryError: {where}Tunnel connection failed: 407 Proxy Authentication Required"
    )
    assert far.seen == []


def test_a_proxy_that_does_not_answer(
    proxy: Proxy, far: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        client, "LIMITS", transport.Limits(connect_s=0.5, read_s=100, exchange_s=100)
    )
    proxy.instead = hangs
    assert f": proxy {proxy.address}: no answer for 0.5 s" in ours.refuses(image(far))


def test_a_proxy_that_never_comes_to_an_end(
    proxy: Proxy, far: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIMITS", transport.Limits(connect_s=100, exchange_s=1))
    proxy.instead = drips
    assert ours.refuses(image(far)) == f"RegistryError: {image(far)}: timed out"


def test_a_proxy_that_is_not_there(
    far: Hostile, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@{address}")
        assert f": proxy {address}: connection refused" in ours.refuses(image(far))
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy.invalid:3128")
    assert ": proxy proxy.invalid:3128: name resolution failed: " in ours.refuses(image(far))


@pytest.mark.parametrize(
    "address",
    [
        "socks5://me:{}@127.0.0.1:1",
        "ftp://me:{}@127.0.0.1:1",
        "http://me:{}@127.0.0.1:port",
        "http://me:{}@[::1",
        "http://",
        "http://me:{}@",
        " ",
    ],
)
def test_an_address_that_is_no_proxys(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("https_proxy", address.format(SECRET))
    name = "registry.test:5000"
    why = "proxy of the environment: expected http://HOST:PORT or https://HOST:PORT"
    assert ours.refuses(f"{name}/x:1") == f"RegistryError: {name}/x:1: {name}: {why}"


@pytest.mark.parametrize("answer", [None, refuses])
def test_the_password_of_the_proxy_is_never_shown(
    proxy: Proxy, far: Hostile, ours: Ours, answer: object
) -> None:
    proxy.instead = refuses if answer else None
    address = f"http://me:{SECRET}@{proxy.address}"
    beepy = Beepy(ours.home, {"HTTPS_PROXY": address, "BEEPY_STORAGE": str(ours.store.path)})
    done = beepy("-d", "pull", image(far), "--ca-file", str(ours.ca_file))
    assert done.code == (1 if answer else 0)
    assert SECRET not in done.err
    assert BASIC.partition(" ")[2] not in done.err
