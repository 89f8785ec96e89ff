"""registries.toml is parsed strictly: one line with file and key for what does not fit."""

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from beepy.errors import RegistryError, UsageError
from beepy.oci.options import Options
from beepy.oci.registries import Registries, Registry, read
from tests.support.command import ROOT
from tests.support.told import notes

COMPLETE = """
default-registry = "ghcr.io"
default-namespace = "solo-io/bumblebee"

[aliases]
exits = "ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14"
"tools/tcp" = "localhost:5000/tcpconnect"

[[registry]]
prefix = "GHCR.io"
mirrors = ["mirror.example:5000/ghcr", "[::1]:5000"]

[[registry]]
prefix = "index.docker.io/library"
insecure = true
plain-http = false
ca-file = "ca.pem"
blocked = true

[policy]
default = "deny"
"""


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(config_dir=tmp_path)


def write(options: Options, text: str | bytes) -> Path:
    assert options.config_dir
    path = options.config_dir / "registries.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_every_key(options: Options) -> None:
    path = write(options, COMPLETE)
    registries = read(options)
    assert registries.path == path
    assert registries.default_registry == "ghcr.io"
    assert registries.default_namespace == "solo-io/bumblebee"
    assert registries.aliases == {
        "exits": "ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14",
        "tools/tcp": "localhost:5000/tcpconnect",
    }
    assert registries.registries == (
        Registry(prefix="ghcr.io", mirrors=("mirror.example:5000/ghcr", "[::1]:5000")),
        Registry(
            prefix="docker.io/library",
            insecure=True,
            ca_file=path.parent / "ca.pem",
            blocked=True,
        ),
    )
    assert registries.policy == {"default": "deny"}


def test_without_a_file(options: Options, tmp_path: Path) -> None:
    assert read(options)[1:] == ("", "", {}, (), None)
    assert read(Options(config_dir=tmp_path / "none"))[1:] == ("", "", {}, (), None)
    assert read(Options(config_dir=Path(__file__)))[1:] == ("", "", {}, (), None)


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    directory = tmp_path / (".config/beepy" if variable == "HOME" else "beepy")
    directory.mkdir(parents=True)
    write(Options(config_dir=directory), 'default-registry = "a.b"')
    assert read(Options()).default_registry == "a.b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff", "not TOML: not UTF-8"),
        ("x", "not TOML: expected '=' after a key"),
        ("a = 1\na = 2", "not TOML: cannot overwrite a value"),
        ("a = " + "[" * 100_000, "not TOML: "),
        ("x = 1", "x: unknown key"),
        ('"\\u001b[2J" = 1', "\\x1b[2J: unknown key"),
        ("default-registry = 1", "default-registry: expected a text, got a number"),
        ('default-registry = "x"', "default-registry: 'x': expected a registry's host"),
        ('default-registry = "a.b/c"', "default-registry: 'a.b/c': expected a registry's host"),
        (
            'default-registry = "https://a.b"',
            "default-registry: 'https://a.b': expected a registry's host",
        ),
        ('default-namespace = "x"', "default-namespace: expected default-registry too"),
        (
            'default-registry = "a.b"\ndefault-namespace = "X"',
            "default-namespace: 'X': not the name of a namespace",
        ),
        (
            'default-registry = "a.b"\ndefault-namespace = "x/"',
            "default-namespace: 'x/': not the name of a namespace",
        ),
        ("aliases = 1", "aliases: expected a table, got a number"),
        (
            '[aliases]\n"x:1" = "a.b/x"',
            "aliases: x:1: not a name without registry, tag and digest",
        ),
        (
            '[aliases]\n"a.b/x" = "a.b/x"',
            "aliases: a.b/x: not a name without registry, tag and digest",
        ),
        ('[aliases]\n"" = "a.b/x"', "aliases: : not a name without registry, tag and digest"),
        ("[aliases]\nx = true", "aliases: x: expected a text, got true or false"),
        (
            '[aliases]\nx = "exitsnoop"',
            "aliases: x: 'exitsnoop': expected a reference with a registry's host",
        ),
        (
            '[aliases]\nx = "y:1"\ny = "a.b/y"',
            "aliases: x: 'y:1' is an alias, too: expected a reference",
        ),
        (
            '[aliases]\nx = "a.b/Y"',
            "aliases: x: reference 'a.b/Y': repository: upper case is not allowed",
        ),
        ("registry = 1", "registry: expected an array, got a number"),
        ("registry = [1]", "registry 1: expected a table, got a number"),
        ("[registry]", "registry: expected an array, got a table"),
        ("[[registry]]", "registry 1: prefix: missing"),
        ('[[registry]]\nlocation = "a.b"', "registry 1: location: unknown key"),
        (
            '[[registry]]\nprefix = "a.b"\nplain-http = "yes"',
            "registry 1: plain-http: expected true or false, got a text",
        ),
        (
            '[[registry]]\nprefix = "a.b"\nca-file = 2001-01-01',
            "registry 1: ca-file: expected a text, got a date or time",
        ),
        (
            '[[registry]]\nprefix = "*.b"',
            "registry 1: prefix: '*.b': expected a registry's host, perhaps with a namespace",
        ),
        (
            '[[registry]]\nprefix = "tools"',
            "registry 1: prefix: 'tools': expected a registry's host, perhaps with a namespace",
        ),
        (
            '[[registry]]\nprefix = "a.b"\n[[registry]]\nprefix = "A.b"',
            "registry 2: prefix: 'a.b' is repeated",
        ),
        (
            '[[registry]]\nprefix = "a.b"\nmirrors = [1]',
            "registry 1: mirrors: expected texts, got a number",
        ),
        (
            '[[registry]]\nprefix = "a.b"\nmirrors = ["http://m"]',
            "registry 1: mirrors: 'http://m': expected a registry's host, perhaps with a namespace",
        ),
        ("policy = true", "policy: expected a table, got true or false"),
    ],
)
def test_what_does_not_fit(options: Options, text: str | bytes, message: str) -> None:
    path = write(options, text)
    with pytest.raises(UsageError) as caught:
        read(options)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert str(caught.value).isprintable()


def test_an_unknown_key_has_the_known_ones_as_advice(options: Options) -> None:
    write(options, '[[registry]]\nlocation = "a.b"')
    with pytest.raises(UsageError) as caught:
        read(options)
    assert notes(caught.value) == [
        "known keys: prefix, mirrors, insecure, plain-http, ca-file, blocked"
    ]


def test_a_long_file(options: Options) -> None:
    path = write(options, b"#" * (1 << 20))
    assert read(options).default_registry == ""
    write(options, b"#" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match="more than 1048576 bytes") as caught:
        read(options)
    assert str(caught.value).startswith(str(path))


def test_what_cannot_be_read_is_not_skipped(options: Options, tmp_path: Path) -> None:
    (tmp_path / "registries.toml").mkdir()
    with pytest.raises(RegistryError, match=r"registries\.toml: is a directory"):
        read(options)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_settings_of_another_user(caplog: pytest.LogCaptureFixture) -> None:
    """Who may not search the directory has none; a file that is there is not skipped."""
    with tempfile.TemporaryDirectory() as directory:  # other users cannot reach pytest's
        options = Options(config_dir=Path(directory))
        path = write(options, "[aliases]")
        path.chmod(0o600)
        path.parent.chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(RegistryError, match=rf"^{path}: permission denied$"):
                read(options)
            os.seteuid(0)
            path.parent.chmod(0o700)
            os.seteuid(65534)
            with caplog.at_level(logging.INFO, "beepy"):
                assert read(options) == Registries(path)
        finally:
            os.seteuid(0)
    assert caplog.messages == [f"{path}: skipped: permission denied"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses")
def test_a_file_that_others_may_write(options: Options) -> None:
    path = write(options, "")
    path.chmod(0o666)
    with pytest.raises(RegistryError, match=rf"^registries: {path}: writable by others"):
        read(options)


def test_tomllib_is_imported_for_a_file_only(options: Options) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom beepy.oci.options import Options\n"
        "from beepy.oci.registries import read\n"
        f"read(Options(config_dir=Path({str(options.config_dir)!r})))\n"
        "print('tomllib' in sys.modules)\n"
    )

    def is_imported() -> bool:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        return done.stdout == "True\n"

    assert not is_imported()
    write(options, "")
    assert is_imported()
