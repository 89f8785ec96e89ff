import base64
import json
import os
from pathlib import Path

import pytest

from beepy.errors import RegistryError, UsageError
from beepy.oci import auth
from beepy.oci.auth import Challenge, Credentials
from beepy.oci.options import Options
from beepy.oci.reference import parse

GHCR = parse("ghcr.io/solo-io/bumblebee/exitsnoop:1")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(auth, "RUN", tmp_path / "containers")
    return tmp_path


def secret(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def write(path: Path, **config: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


def test_the_order_of_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "podman.json"))
    assert auth.find(GHCR, Options()) is None
    places = [
        home / ".config" / "containers" / "auth.json",
        home / "run" / "containers" / "auth.json",
        home / "podman.json",
        home / ".docker" / "config.json",
        home / ".bumblebee" / "config.json",
        home / ".config" / "beepy" / "config.json",
    ]
    for number, path in enumerate(places):
        write(path, auths={"ghcr.io": secret(f"u{number}:p")})
        assert auth.find(GHCR, Options()) == Credentials(f"u{number}", "p")
    other = write(home / "other" / "config.json", auths={"ghcr.io": secret("other:p")})
    assert auth.find(GHCR, Options(config_dir=other.parent)) == Credentials("other", "p")
    flag = write(home / "flag.json", auths={"ghcr.io": secret("flag:p")})
    assert auth.find(GHCR, Options(configs=(flag,))) == Credentials("flag", "p")
    assert auth.find(GHCR, Options(configs=(flag,), username="me", password="x")) == Credentials(
        "me", "x"
    )
    assert auth.find(GHCR, Options(username="me")) == Credentials("me", "")


def test_a_log_in_of_skopeo_without_a_folder_of_the_session(home: Path) -> None:
    write(home / "containers" / str(os.getuid()) / "auth.json", auths={"ghcr.io": secret("me:p")})
    assert auth.find(GHCR, Options()) == Credentials("me", "p")


def test_docker_config_replaces_its_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker" / "config.json", auths={"ghcr.io": secret("home:p")})
    write(home / "d" / "config.json", auths={"ghcr.io": secret("d:p")})
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "d"))
    assert auth.find(GHCR, Options()) == Credentials("d", "p")


@pytest.mark.parametrize(
    ("key", "image", "found"),
    [
        ("ghcr.io", "ghcr.io/a/b", True),
        ("https://ghcr.io", "ghcr.io/a/b", True),
        ("https://ghcr.io/v2/", "ghcr.io/a/b", True),
        ("ghcr.io/a", "ghcr.io/a/b", True),
        ("ghcr.io/a/b", "ghcr.io/a/b", True),
        ("ghcr.io/a", "ghcr.io/ab/c", False),
        ("ghcr.io", "ghcr.io.evil.example/a/b", False),
        ("ghcr.io", "ghcr.io:444/a/b", False),
        ("evil.example/ghcr.io", "ghcr.io/a/b", False),
        ("https://index.docker.io/v1/", "exitsnoop", True),
        ("docker.io", "exitsnoop", True),
        ("registry-1.docker.io", "solo/x", True),
        ("docker.io/library", "exitsnoop", True),
        ("docker.io/solo", "exitsnoop", False),
        ("", "ghcr.io/a/b", False),
        ("localhost:5000", "localhost:5000/x", True),
    ],
)
def test_keys(home: Path, key: str, image: str, *, found: bool) -> None:
    write(home / ".docker" / "config.json", auths={key: secret("u:p")})
    assert (auth.find(parse(image), Options()) is not None) == found


def test_the_longest_key_wins(home: Path) -> None:
    auths = {"ghcr.io/solo-io": secret("near:p"), "ghcr.io": secret("far:p")}
    write(home / ".docker" / "config.json", auths=auths)
    assert auth.find(GHCR, Options()) == Credentials("near", "p")


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (secret("u:p:with:colons"), Credentials("u", "p:with:colons")),
        ({"username": "u", "password": "p"}, Credentials("u", "p")),
        ({**secret("<token>:"), "identitytoken": "t"}, Credentials(identity_token="t")),
        ({}, None),
        ({"auth": ""}, None),
        ({"username": 1, "password": 2}, None),
        (None, None),
    ],
)
def test_entries(home: Path, entry: object, found: Credentials | None) -> None:
    write(home / ".docker" / "config.json", auths={"ghcr.io": entry})
    assert auth.find(GHCR, Options()) == found


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"auths":{"ghcr.io":{"auth":"***"}}}', b"\xff", b"[" * 100_000]
)
def test_a_broken_file_is_named_and_no_secret_told(home: Path, content: bytes) -> None:
    path = home / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(RegistryError, match=r"\.docker/config\.json: ") as caught:
        auth.find(GHCR, Options())
    assert "***" not in str(caught.value)


def test_a_file_that_was_asked_for_must_exist(home: Path) -> None:
    with pytest.raises(UsageError, match="no such credentials file"):
        auth.find(GHCR, Options(configs=(home / "none.json",)))


def test_credentials_do_not_print() -> None:
    assert "hidden" not in repr(Credentials("u", "hidden", "hidden"))


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (home / "bin").mkdir()
    path = home / "bin" / "docker-credential-mine"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:/usr/bin:/bin")


@pytest.mark.parametrize("how", ["credsStore", "credHelpers"])
def test_a_credential_helper_is_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    script = (
        'test "$1" = get || exit 1; '
        'read host; echo "{\\"Username\\":\\"u-$host\\",\\"Secret\\":\\"p\\"}"'
    )
    helper(home, monkeypatch, script)
    value = "mine" if how == "credsStore" else {"ghcr.io": "mine"}
    write(home / ".docker" / "config.json", **{"auths": {"ghcr.io": {}}, how: value})
    assert auth.find(GHCR, Options()) == Credentials("u-ghcr.io", "p")


def test_an_identity_token_of_a_helper(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, """echo '{"Username":"<token>","Secret":"t"}'""")
    write(home / ".docker" / "config.json", credsStore="mine")
    assert auth.find(GHCR, Options()) == Credentials(identity_token="t")


def test_a_helper_that_is_missing_is_told(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(home / ".docker" / "config.json", credsStore="absent")
    assert auth.find(GHCR, Options()) is None
    assert (
        "credential helper 'absent': No such file or directory: continuing without" in caplog.text
    )


@pytest.mark.parametrize("name", ["../evil", "a b", "-x", "x;y", "x\n"])
def test_a_helper_has_the_name_of_a_program(home: Path, name: str) -> None:
    write(home / ".docker" / "config.json", credsStore=name)
    with pytest.raises(RegistryError, match="not a program name"):
        auth.find(GHCR, Options())


@pytest.mark.parametrize(
    "script", ["exit 1", "echo secret", "echo '{}'", """echo '{"Username":1,"Secret":2}'"""]
)
def test_a_helper_without_an_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    helper(home, monkeypatch, script)
    write(home / ".docker" / "config.json", credsStore="mine")
    if script == "exit 1":
        assert auth.find(GHCR, Options()) is None
        return
    with pytest.raises(RegistryError, match="answer has no credentials") as caught:
        auth.find(GHCR, Options())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        ("Basic", [("basic", {})]),
        (
            'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://ghcr.io/token",
                        "service": "ghcr.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ('BEARER Realm = "a" , service=b', [("bearer", {"realm": "a", "service": "b"})]),
        (
            'Basic realm="a", Bearer realm="b"',
            [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})],
        ),
        (
            r'Basic realm="a\"b\\c, Bearer realm=d"',
            [("basic", {"realm": 'a"b\\c, Bearer realm=d'})],
        ),
        ('Bearer realm="a",realm="b"', [("bearer", {"realm": "a"})]),
        ('Bearer realm="unclosed', [("bearer", {})]),
        ('realm="nobody"', []),
        ("=,=,", []),
    ],
)
def test_challenges(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert auth.challenges(header) == tuple(Challenge(*item) for item in expected)


def test_a_long_header_takes_no_time() -> None:
    assert auth.challenges("Bearer " + 'a="' * 20_000)[0].scheme == "bearer"
    assert auth.challenges("," * 60_000) == ()
    assert auth.challenges(" " * 60_000) == ()


def test_credentials_are_the_bytes_of_the_command_line() -> None:
    assert base64.b64decode(Credentials("\udcff", "p").basic.removeprefix("Basic ")) == b"\xff:p"
    with pytest.raises(
        RegistryError, match=r"^credentials: user name or password is not valid text$"
    ):
        _ = Credentials("me", "\ud800").basic


def test_a_password_that_is_not_utf_8_is_read_as_it_was_written(home: Path) -> None:
    written = Credentials("me", "p\udcff")
    entry = {"auth": written.basic.removeprefix("Basic ")}
    write(home / ".docker" / "config.json", auths={"ghcr.io": entry})
    assert auth.find(GHCR, Options()) == written


@pytest.mark.parametrize(
    ("script", "warning"),
    [
        ("echo credentials not found in native keychain; exit 1", ""),
        ("echo 'the keychain is locked'; exit 1", "the keychain is locked"),
        ("printf 'no\\033[2Jbus' >&2; exit 1", "no\\x1b[2Jbus"),
        ("exit 3", "exit status 3"),
    ],
)
def test_what_a_helper_says_when_it_fails(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: str,
    warning: str,
) -> None:
    """That it has no credentials is usual; anything else is a reason why a pull will fail."""
    helper(home, monkeypatch, script)
    path = write(home / ".docker" / "config.json", credsStore="mine")
    assert auth.find(GHCR, Options()) is None
    where = f"{path}: credential helper 'mine'"
    expected = [f"{where}: {warning}: continuing without credentials"] if warning else []
    assert caplog.messages == expected
