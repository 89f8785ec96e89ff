"""Log-ins are checked at real registries before they are kept; no secret is printed."""

import base64
import json
import os
import pty
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from beepy.errors import ImageNotFound, RegistryError, UsageError
from beepy.oci import auth, login, lookup
from beepy.oci.auth import Credentials
from beepy.oci.options import Options
from beepy.oci.reference import parse
from tests.registry import distribution
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running
from tests.registry.hostile import Call, Hostile, challenge, on
from tests.support.command import BEEPY, Beepy, environment

pytestmark = pytest.mark.registry

BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(params=["htpasswd", "bearer"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    (tmp_path / "registry").mkdir()
    with SETUPS[request.param](tmp_path / "registry") as running:
        yield running
        # the token server expects a pull among what it is asked for
        with pytest.raises(ImageNotFound):
            lookup.pull(f"{running.host}/x/none:1", Options(username=USER, password=PASSWORD))


@pytest.fixture
def config(home: Path) -> Path:
    return home / ".config" / "beepy" / "config.json"


def from_stdin(home: Path, given: str, *arguments: str) -> tuple[int, str, str]:
    """Run beepy with a text on standard input."""
    ran = subprocess.run(
        [*BEEPY, *arguments],
        input=given,
        env=environment(home),
        check=False,
        capture_output=True,
        text=True,
    )
    for secret in (PASSWORD, BASIC):
        assert secret not in ran.stdout + ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def test_a_log_in_is_used_and_a_log_out_ends_it(server: Running, home: Path, config: Path) -> None:
    """The private image is found, and what another program writes stays in the file."""
    config.parent.mkdir(parents=True)
    other = {"auths": {"other.example": {"auth": "b3RoZXI6cA==", "email": "e"}}, "psFormat": "x"}
    config.write_text(json.dumps(other))
    config.chmod(0o644)
    arguments = ("login", server.host, "-d", "-u", USER, "--password-stdin")
    code, out, err = from_stdin(home, f"{PASSWORD}\n", *arguments)
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == f"{server.host}: logged in; the credentials are in {config}"
    kept = json.loads(config.read_text())
    assert kept["auths"].pop(server.host) == {"auth": BASIC}
    assert kept == other
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]
    beepy = Beepy(home)
    image = f"{server.host}/tools/exitsnoop:1"
    assert beepy("push", "exitsnoop", image).code == 0
    assert beepy("pull", image).code == 0
    assert beepy("logout", server.host) == (0, "", f"{server.host}: logged out\n")
    assert json.loads(config.read_text()) == other
    assert beepy("pull", image).code == 1
    assert beepy("logout", server.host) == (0, "", f"{server.host}: not logged in\n")


@pytest.mark.parametrize("given", ["wrong", f"{PASSWORD} "])
def test_a_wrong_password_is_not_kept(
    server: Running, home: Path, config: Path, given: str
) -> None:
    code, out, err = from_stdin(home, given, "login", server.host, "-u", USER, "--password-stdin")
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert "refuses these credentials" in line
    assert line.startswith("beepy: login: ")
    assert not config.parent.exists()


def test_a_password_on_the_command_line(server: Running, home: Path, config: Path) -> None:
    done = Beepy(home)("login", server.host, "-u", USER, "-p", PASSWORD)
    assert done.code == 0
    assert done.said[0] == (
        "warning: --password: other users can see a command line; use --password-stdin"
    )
    assert PASSWORD not in done.err
    assert config.exists()


def test_a_directory_of_the_users_own(server: Running, home: Path, config: Path) -> None:
    directory = home / "conf" / "deep"
    options = ("--config-dir", str(directory))
    arguments = ("login", server.host, "-u", USER, "--password-stdin", *options)
    assert from_stdin(home, PASSWORD, *arguments)[0] == 0
    assert not config.exists()
    assert json.loads((directory / "config.json").read_text()) == {
        "auths": {server.host: {"auth": BASIC}}
    }
    beepy = Beepy(home)
    assert beepy("push", "exitsnoop", f"{server.host}/x/y:1", *options).code == 0
    assert beepy("logout", server.host, *options).said == [f"{server.host}: logged out"]


@pytest.mark.parametrize("server", ["htpasswd"], indirect=True)
def test_the_prompt_shows_no_password(server: Running, home: Path, config: Path) -> None:
    pid, terminal = pty.fork()
    if not pid:
        os.execve(BEEPY[0], [*BEEPY, "login", server.host], environment(home))
    shown = b""
    for prompt, typed in ((b"User name", USER), (b"Password: ", PASSWORD)):
        while prompt not in shown:
            shown += os.read(terminal, 1 << 10)
        os.write(terminal, f"{typed}\n".encode())
    while b"logged in" not in shown:
        shown += os.read(terminal, 1 << 10)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    assert USER.encode() in shown
    assert PASSWORD.encode() not in shown
    assert json.loads(config.read_text())["auths"] == {server.host: {"auth": BASIC}}


@pytest.mark.parametrize("options", [[], ["-u", "me"]])
def test_the_end_of_input_at_a_prompt(home: Path, options: list[str]) -> None:
    pid, terminal = pty.fork()
    if not pid:
        os.execve(BEEPY[0], [*BEEPY, "login", "x.example", *options], environment(home))
    shown = b""
    while b": " not in shown:
        shown += os.read(terminal, 1 << 10)
    os.write(terminal, b"\x04")
    with suppress(OSError):  # EIO: the other end is closed
        while chunk := os.read(terminal, 1 << 10):
            shown += chunk
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    os.close(terminal)
    assert shown.endswith(b"\nbeepy: x.example: no password given\r\n")
    assert b"Token" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.example"], "x.example: no password: standard input is not a terminal"),
        (["x.example", "--password-stdin"], "--password-stdin: expected --username too"),
        (
            ["x.example", "-u", "me", "-p", "x", "--password-stdin"],
            "--password and --password-stdin: expected only one of them",
        ),
        (["x.example", "-u", "me", "--password-stdin"], "x.example: the password is empty"),
        (["x", "-u", "m", "-p", "x"], "'x': expected the name of a registry, HOST[:PORT]"),
        (["x.example/me", "-u", "m", "-p", "x"], "'x.example/me': expected the name of a"),
        (["a b.c", "-u", "m", "-p", "x"], "'a b.c': expected the name of a registry"),
        (["x.example", "-u", "a:b", "-p", "x"], "x.example: user name: ':' is not allowed"),
    ],
)
def test_what_is_wrong_is_said(home: Path, arguments: list[str], message: str) -> None:
    code, out, err = from_stdin(home, "", "login", *arguments)
    assert (code, out) == (2, "")
    assert f"beepy: {message}" in err


def test_a_registry_that_asks_for_nothing(plain: Hostile, home: Path, config: Path) -> None:
    plain.twists.append(lambda call: call.route == "/v2/" and call.answer(200, b"{}"))
    code, _, err = from_stdin(home, "x", "login", plain.host, "-u", "me", "--password-stdin")
    assert code == 0
    assert "does not ask for credentials: they were not checked" in err
    assert plain.authorizations == set()
    assert config.exists()


@pytest.mark.parametrize("status", [301, 404, 500])
def test_what_is_no_registry(plain: Hostile, home: Path, config: Path, status: int) -> None:
    plain.twists.append(lambda call: call.answer(status, b"<html>", Location="/"))
    code, _, err = from_stdin(home, "x", "login", plain.host, "-u", "me", "--password-stdin")
    assert (code, err.partition(" (")[0].strip()) == (
        1,
        f"beepy: login: {plain.host} answers {status} at /v2/",
    )
    assert not config.exists()


def test_an_identity_token_is_checked_by_exchanging_it(plain: Hostile) -> None:
    header = f'Bearer realm="{plain.url}/token",service="s"'

    def exchange(call: Call) -> bool:
        is_good = b"refresh_token=good-token" in plain.seen[-1].body
        return call.answer(200, b'{"access_token":"good"}') if is_good else call.answer(401)

    plain.twists += [challenge(lambda: header), on("/token", exchange)]
    plain.twists.append(lambda call: call.route == "/v2/" and call.answer(200, b"{}"))
    options = Options()
    with pytest.raises(RegistryError, match="refuses these credentials"):
        login.log_in(plain.host, Credentials(identity_token="bad"), options)
    kept = login.log_in(plain.host, Credentials(identity_token="good-token"), options)
    assert json.loads(kept.path.read_text()) == {
        "auths": {plain.host: {"identitytoken": "good-token"}}
    }
    reference = parse(f"{plain.host}/x/y")
    assert auth.find(reference, options) == Credentials(identity_token="good-token")


HELPER = """#!/bin/sh
read -r given
echo "$1 $given" >> "$HOME/calls"
[ "$1" != get ] || cat "$HOME/secret"
[ ! -e "$HOME/fails" ] || { cat "$HOME/fails"; exit 1; }
"""


@pytest.mark.parametrize("table", ["credsStore", "credHelpers"])
@pytest.mark.parametrize("server", ["htpasswd"], indirect=True)
def test_a_credential_helper_keeps_the_secret(
    server: Running, home: Path, config: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    program = home / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    config.parent.mkdir(parents=True)
    named = {table: "test" if table == "credsStore" else {server.host: "test"}}
    stale = {"auths": {f"https://{server.host}/v1/": {"auth": "b2xkOm9sZA=="}}}
    config.write_text(json.dumps({**named, **stale}))
    arguments = ("login", server.host, "-u", USER, "--password-stdin")
    (home / "fails").touch()
    code, _, err = from_stdin(home, PASSWORD, *arguments)
    assert code == 1
    assert "credential helper 'test': store: exit status 1" in err
    assert json.loads(config.read_text()) == {**named, **stale}
    (home / "fails").write_text("no\033bus\n")
    code, _, err = from_stdin(home, PASSWORD, *arguments)
    assert code == 1
    assert "credential helper 'test': store: no\\x1bbus\n" in err
    (home / "fails").unlink()
    code, _, err = from_stdin(home, PASSWORD, *arguments)
    assert (code, err) == (
        0,
        f"{server.host}: logged in; the credentials are in credential helper 'test'\n",
    )
    assert json.loads(config.read_text()) == {**named, "auths": {server.host: {}}}
    given = {"ServerURL": server.host, "Username": USER, "Secret": PASSWORD}
    assert json.loads((home / "calls").read_text().splitlines()[-1].removeprefix("store ")) == given
    (home / "secret").write_text(json.dumps(given))
    beepy = Beepy(home)
    assert beepy("push", "exitsnoop", f"{server.host}/x/y:1").code == 0
    before = config.read_text()
    (home / "fails").write_text("locked\n")
    failed = beepy("logout", server.host)
    assert failed.code == 1
    assert failed.said == [f"beepy: {config}: credential helper 'test': erase: locked"]
    assert config.read_text() == before
    (home / "fails").unlink()
    assert beepy("logout", server.host).said[0] == f"{server.host}: logged out"
    (home / "fails").write_text("credentials not found in native keychain\n")
    (home / "secret").write_text("{}")
    again = beepy("logout", server.host)
    assert (again.code, again.said[-1]) == (0, f"{server.host}: not logged in")
    assert f"erase {server.host}\n" in (home / "calls").read_text()
    assert json.loads(config.read_text()) == {**named, "auths": {}}


def test_a_log_out_says_whose_log_in_is_left(home: Path, config: Path) -> None:
    docker = home / ".docker" / "config.json"
    for path in (config, docker):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": BASIC}}}))
    assert Beepy(home)("logout", "docker.io").said == [
        "docker.io: logged out",
        f"warning: docker.io: {docker} still has credentials, and beepy uses them",
    ]


def test_log_ins_at_the_same_time_are_all_kept(plain: Hostile, home: Path, config: Path) -> None:
    """Docker's own key is written for docker.io; a second log-in replaces all spellings."""
    del home
    plain.twists.append(lambda call: call.route == "/v2/" and call.answer(200, b"{}"))
    hosts = [plain.host, f"localhost:{plain.port}"]
    names = [f"user{number}" for number in range(8)]
    threads = [
        threading.Thread(target=login.log_in, args=(host, Credentials(name, "p"), Options()))
        for host in hosts
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(json.loads(config.read_text())["auths"]) == set(hosts)
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"auths":[]}', b'{"auths":{},"credsStore":"../x"}']
)
def test_a_broken_file_is_left_as_it_is(
    plain: Hostile, home: Path, config: Path, content: bytes
) -> None:
    del home
    plain.twists.append(lambda call: call.route == "/v2/" and call.answer(200, b"{}"))
    config.parent.mkdir(parents=True)
    config.write_bytes(content)
    with pytest.raises(RegistryError, match=r"config\.json: "):
        login.log_in(plain.host, Credentials("me", "p"), Options())
    assert config.read_bytes() == content
    with pytest.raises(RegistryError, match=r"config\.json: "):
        login.log_out(plain.host, Options())
    assert config.read_bytes() == content


def test_a_link_is_not_replaced(plain: Hostile, home: Path, config: Path) -> None:
    plain.twists.append(lambda call: call.route == "/v2/" and call.answer(200, b"{}"))
    config.parent.mkdir(parents=True)
    config.symlink_to(home / "elsewhere")
    (home / "elsewhere").write_text("{}")
    with pytest.raises(RegistryError, match=r"config\.json: is a symbolic link"):
        login.log_in(plain.host, Credentials("me", "p"), Options())
    assert (home / "elsewhere").read_text() == "{}"


def test_dockers_key_is_written(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    monkeypatch.setattr("beepy.oci.client.Client.log_in", lambda *_: True)
    for server in ("docker.io", "index.docker.io", "https://index.docker.io/v1/"):
        login.log_in(server, Credentials("me", server), Options())
        secret = base64.b64encode(f"me:{server}".encode()).decode()
        assert json.loads(config.read_text()) == {
            "auths": {"https://index.docker.io/v1/": {"auth": secret}}
        }
        assert auth.find(parse("exitsnoop"), Options()) == Credentials("me", server)
    assert login.log_out("docker.io", Options())
    assert not login.log_out("docker.io", Options())
    with pytest.raises(UsageError):
        login.log_out("docker.io/library", Options())
