import pytest

from beepy.errors import InvalidReference
from beepy.oci.reference import Reference, has_host, is_reference, parse, same

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("exitsnoop", "docker.io", "library/exitsnoop", "latest", None),
        ("exitsnoop:v1", "docker.io", "library/exitsnoop", "v1", None),
        ("solo/exitsnoop", "docker.io", "solo/exitsnoop", "latest", None),
        ("docker.io/x", "docker.io", "library/x", "latest", None),
        ("docker.io/a/b/c:1", "docker.io", "a/b/c", "1", None),
        ("index.docker.io/x:2", "docker.io", "library/x", "2", None),
        ("index.docker.io/a/x", "docker.io", "a/x", "latest", None),
        ("localhost/x", "localhost", "x", "latest", None),
        ("localhost:5000/x", "localhost:5000", "x", "latest", None),
        ("foo:5000", "docker.io", "library/foo", "5000", None),
        ("foo:5000/x", "foo:5000", "x", "latest", None),
        ("a.b/x", "a.b", "x", "latest", None),
        ("UPPER/x", "UPPER", "x", "latest", None),
        ("[::1]:5055/bb/x:v1", "[::1]:5055", "bb/x", "v1", None),
        ("[fe80::1]/x", "[fe80::1]", "x", "latest", None),
        ("127.0.0.1:5055/bb/x:v1", "127.0.0.1:5055", "bb/x", "v1", None),
        (
            "ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14",
            "ghcr.io",
            "solo-io/bumblebee/exitsnoop",
            "0.0.14",
            None,
        ),
        (f"a.b/x@{DIGEST}", "a.b", "x", None, DIGEST),
        (f"a.b/x:1@{DIGEST}", "a.b", "x", "1", DIGEST),
        ("a.b/x__y/z-9---q.r_s:_T.-", "a.b", "x__y/z-9---q.r_s", "_T.-", None),
        (f"a.b/x:{'t' * 128}", "a.b", "x", "t" * 128, None),
        (f"a.b/{'r' * 251}", "a.b", "r" * 251, "latest", None),
        ("a.b/0/0/0", "a.b", "0/0/0", "latest", None),
        ("xn--n3h.com/myimage", "xn--n3h.com", "myimage", "latest", None),
        (f"{HEX[:63]}", "docker.io", f"library/{HEX[:63]}", "latest", None),
    ],
)
def test_accepts(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert parse(text) == Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the name is empty"),
        (":tag", "the name is empty"),
        ("foo:bar:baz", "':' is allowed only before the tag"),
        ("a.b:5000/foo:bar:baz", "':' is allowed only before the tag"),
        (":", "tag"),
        ("/", "repository"),
        ("@", "digest"),
        ("/x", "repository"),
        ("a.b/", "repository"),
        ("docker.io/", "repository"),
        ("a.b//x", "repository"),
        ("a.b/x/", "repository"),
        ("a.b/../x", "repository"),
        ("a.b/x/../../y", "repository"),
        ("a.b/.x", "repository"),
        ("a.b/x.", "repository"),
        ("a.b/x..y", "repository"),
        ("a.b/x___y", "repository"),
        ("a.b/x._y", "repository"),
        ("a.b/-x", "repository"),
        ("a.b/Foo", "upper case"),
        ("Foo", "upper case"),
        ("a.b/x:", "tag"),
        ("a.b/x:.t", "tag"),
        ("a.b/x:-t", "tag"),
        (f"a.b/x:{'t' * 129}", "tag"),
        ("a.b/x:t\n", "tag"),
        ("a.b/x\n", "repository"),
        ("a.b/x y", "repository"),
        ("a.b/\u017f", "repository"),
        ("a.b/x:é", "tag"),
        ("a.b/x:\udcff", "tag"),
        ("-a.b/x", "registry"),
        ("a-.b/x", "registry"),
        ("a..b/x", "registry"),
        ("a.b:/x", "registry"),
        ("a.b:port/x", "registry"),
        ("user@a.b/x", "digest"),
        ("https://a.b/x", "a reference has no 'https://' in front"),
        ("docker://a.b/x:1", "a reference has no 'docker://' in front"),
        ("[::1/x", "registry"),
        ("[::1]x/y", "registry"),
        ("a.b/x@", "digest"),
        ("a.b/x@sha256:", "digest"),
        (f"a.b/x@sha256:{HEX[:63]}", "digest"),
        (f"a.b/x@sha256:{HEX.upper()}", "digest"),
        (f"a.b/x@sha256:{HEX}0", "digest"),
        (f"a.b/x@{DIGEST}\n", "digest"),
        (f"a.b/x@sha512:{HEX}{HEX}", "only sha256"),
        (f"a.b/x@{DIGEST}@{DIGEST}", "digest"),
        (HEX, "an image id"),
        (f"a.b/{'r' * 252}", "name longer"),
        ("a" * 2000, "longer than"),
        ("a.b/" + "a-" * 400, "repository"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    with pytest.raises(InvalidReference, match=why) as caught:
        parse(text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isascii() or "\u017f" in message or "é" in message
    message.encode()
    assert len(message) < 250


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("x", "docker.io/library/x:latest"),
        ("index.docker.io/x", "docker.io/library/x:latest"),
        ("a.b/x:1", "a.b/x:1"),
        (f"a.b/x@{DIGEST}", f"a.b/x@{DIGEST}"),
        (f"a.b/x:1@{DIGEST}", f"a.b/x:1@{DIGEST}"),
    ],
)
def test_text_is_normal_and_stable(text: str, normal: str) -> None:
    assert str(parse(text)) == normal
    assert parse(normal) == parse(text)


def test_same_compares_normalised_references() -> None:
    assert same("x", "docker.io/library/x:latest")
    assert same("a.b/x", "a.b/x:latest")
    assert not same("a.b/x", "a.b/x:1")
    assert not same("Not/A/Reference", "Not/A/Reference")


@pytest.mark.parametrize(
    "text",
    [
        "a.b/x",
        "localhost/x",
        "x:1/y",
        "[::1]/x",
        "[::1]:5/x:1",
        "docker.io/x",
        f"a.b/x@{DIGEST}",
        "X.y/z",
    ],
)
def test_a_registry_is_named(text: str) -> None:
    assert has_host(text)


@pytest.mark.parametrize(
    "text", ["", "x", "x:1", "x.o", "a/b.c", "UPPER/x", "localhost", "localhost:1", f"x@{DIGEST}"]
)
def test_no_registry_is_named(text: str) -> None:
    assert not has_host(text)


def test_what_is_a_reference() -> None:
    assert is_reference("a.b/x:1")
    assert not is_reference("a.b/X.o")
