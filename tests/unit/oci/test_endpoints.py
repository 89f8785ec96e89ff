"""What registries.toml means for a name, and for a reference."""

import logging
from pathlib import Path

import pytest

from beepy.errors import RegistryError
from beepy.oci.endpoints import endpoints, expand, own_endpoint
from beepy.oci.options import Options
from beepy.oci.reference import parse

PIN = "sha256:" + 64 * "a"


def given(directory: Path, text: str) -> Options:
    (directory / "registries.toml").write_text(text)
    return Options(config_dir=directory)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("exits", "ghcr.io/solo-io/exitsnoop:0.0.14"),
        ("exits:2", "ghcr.io/solo-io/exitsnoop:2"),
        (f"exits@{PIN}", f"ghcr.io/solo-io/exitsnoop@{PIN}"),
        (f"exits:2@{PIN}", f"ghcr.io/solo-io/exitsnoop:2@{PIN}"),
        ("pinned", f"a.b:5000/x:1@{PIN}"),
        ("pinned:3", "a.b:5000/x:3"),
        ("tools/tcp", "a.b/tcp"),
        ("tcp", "r.example:444/team/tcp"),
        ("tcp:1", "r.example:444/team/tcp:1"),
        ("other/tcp:1", "r.example:444/other/tcp:1"),
        (f"tcp@{PIN}", f"r.example:444/team/tcp@{PIN}"),
    ],
)
def test_names(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, expanded: str) -> None:
    options = given(
        tmp_path,
        'default-registry = "r.example:444"\ndefault-namespace = "team"\n[aliases]\n'
        'exits = "ghcr.io/solo-io/exitsnoop:0.0.14"\n"tools/tcp" = "a.b/tcp"\n'
        f'pinned = "a.b:5000/x:1@{PIN}"\n',
    )
    with caplog.at_level(logging.INFO, "beepy"):
        assert expand(text, options) == expanded
    assert caplog.messages[0].startswith(f"{text}: ")
    assert expanded in caplog.messages[0]
    assert str(tmp_path / "registries.toml") in caplog.messages[0]


def test_names_without_a_default_registry(tmp_path: Path) -> None:
    assert expand("x", Options(config_dir=tmp_path)) == ""
    options = given(tmp_path, 'default-registry = "docker.io"')
    assert expand("x:1", options) == "docker.io/x:1"


@pytest.mark.parametrize(
    ("prefix", "mirror", "image", "mirrored"),
    [
        ("ghcr.io", "m.example:5000", "ghcr.io/a/b:1", "m.example:5000/a/b:1"),
        ("ghcr.io", "m.example/ghcr", "ghcr.io/a/b:1", "m.example/ghcr/a/b:1"),
        ("ghcr.io/a", "m.example/x/y", "ghcr.io/a/b/c:1", "m.example/x/y/b/c:1"),
        ("ghcr.io/a/b", "m.example/x", f"ghcr.io/a/b@{PIN}", f"m.example/x@{PIN}"),
        ("ghcr.io/a/b", "m.example", "ghcr.io/a/b:1", "m.example/a/b:1"),
        ("ghcr.io", "m.example", "GHCR.io/a/b:1", "m.example/a/b:1"),
        ("docker.io", "m.example/hub", "docker.io/x:1", "m.example/hub/library/x:1"),
        ("index.docker.io", "[::1]:5000", "docker.io/a/x:1", "[::1]:5000/a/x:1"),
        ("ghcr.io/a", "m.example", "ghcr.io/ab/c:1", None),
        ("ghcr.io", "m.example", "ghcr.io.example/a:1", None),
        ("ghcr.io", "m.example", "ghcr.io:444/a:1", None),
    ],
)
def test_mirrors(
    tmp_path: Path, prefix: str, mirror: str, image: str, mirrored: str | None
) -> None:
    options = given(tmp_path, f'[[registry]]\nprefix = "{prefix}"\nmirrors = ["{mirror}"]')
    *mirrors, own = endpoints(parse(image), options)
    assert [str(item.reference) for item in mirrors] == ([mirrored] if mirrored else [])
    assert own.reference == parse(image)
    assert own_endpoint(parse(image), options) == own


SETTINGS = """
[[registry]]
prefix = "a.b"
ca-file = "/ca.pem"
mirrors = ["m.example/a", "blocked.example", "plain.example", "m.example/b"]

[[registry]]
prefix = "a.b/far"
plain-http = true

[[registry]]
prefix = "m.example"
insecure = true

[[registry]]
prefix = "plain.example"
plain-http = true
mirrors = ["nobody.example"]

[[registry]]
prefix = "blocked.example"
blocked = true
"""


def test_settings(tmp_path: Path) -> None:
    options = given(tmp_path, SETTINGS)._replace(username="me", password="secret")
    first, second, third, own = endpoints(parse("a.b/x:1"), options)
    assert [item.reference.name for item in (first, second, third)] == [
        "m.example/a/x",
        "plain.example/x",
        "m.example/b/x",
    ]
    anonymous = options._replace(username=None, password=None)
    assert first.options == third.options == anonymous._replace(insecure=True)
    assert second.options == anonymous._replace(plain_http=True)
    assert own.options == options._replace(ca_file=Path("/ca.pem"))
    assert endpoints(parse("a.b/far/x:1"), options)[0].options == options._replace(plain_http=True)
    assert endpoints(parse("c.d/x:1"), options) == ((parse("c.d/x:1"), options),)


@pytest.mark.parametrize(
    "flags", [{"insecure": True}, {"plain_http": True}, {"ca_file": Path("/mine.pem")}]
)
def test_the_flags_replace_the_settings_of_the_registry_itself(
    tmp_path: Path, flags: dict[str, object]
) -> None:
    options = given(tmp_path, SETTINGS)._replace(**flags)  # type: ignore[arg-type]
    *mirrors, own = endpoints(parse("a.b/x:1"), options)
    assert own.options == options
    assert [item.options.plain_http for item in mirrors] == [False, True, False]
    assert [item.options.insecure for item in mirrors] == [True, False, True]
    assert [item.options.ca_file for item in mirrors] == [None, None, None]


def test_blocked(tmp_path: Path) -> None:
    options = given(tmp_path, SETTINGS)
    expected = (
        f"Blocked.example/x:1: blocked by {tmp_path}/registries.toml: prefix 'blocked.example'"
    )
    for ask in (endpoints, own_endpoint):
        with pytest.raises(RegistryError) as caught:
            ask(parse("Blocked.example/x:1"), options)
        assert str(caught.value) == expected
