"""Policies: their files, and what each rule does at each door."""

import os
from pathlib import Path

import pytest

from beepy.errors import UntrustedImage, UsageError
from beepy.oci import policy
from beepy.oci.admission import ImageSource, admit, candidate, file_candidate
from beepy.oci.descriptor import Descriptor
from beepy.oci.policy import Policy, Rule, decide
from beepy.oci.signatures.signer import Signer
from tests.support.blobs import Blobs
from tests.support.signing import new_key

ELF = b"\x7fELF program"


def written(directory: Path, text: str) -> Path:
    path = directory / "policy.toml"
    path.write_text(text)
    return path


def refused(directory: Path, text: str) -> str:
    path = written(directory, text)
    with pytest.raises(UsageError) as caught:
        policy.read(path)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_a_policy_of_every_key(tmp_path: Path) -> None:
    key = new_key(tmp_path / "cosign.pub")
    (tmp_path / "root.json").write_text("{}")
    path = written(
        tmp_path,
        """
        registry = "signed"
        store = "accept"
        archive = "refuse"
        file = "accept"
        bundled = "refuse"

        [[signer]]
        images = ["ghcr.io/org/*"]
        key = "cosign.pub"

        [[signer]]
        identity = "me@example.org"
        issuer = "https://accounts.example.org"
        trusted-root = "root.json"
        """,
    )
    assert policy.read(path) == Policy(
        where=str(path),
        rules={
            ImageSource.REGISTRY: Rule.SIGNED,
            ImageSource.STORE: Rule.ACCEPT,
            ImageSource.ARCHIVE: Rule.REFUSE,
            ImageSource.FILE: Rule.ACCEPT,
            ImageSource.BUNDLED: Rule.REFUSE,
        },
        signers=(
            Signer(key=key.path, images=("ghcr.io/org/*",)),
            Signer(
                identity="me@example.org",
                issuer="https://accounts.example.org",
                trusted_root=tmp_path / "root.json",
            ),
        ),
    )


def test_an_empty_policy_has_the_rules_of_verify(tmp_path: Path) -> None:
    assert policy.read(written(tmp_path, "")).rules == policy.RULES
    assert policy.parse({}, "x", tmp_path) == Policy("x", policy.RULES, ())


def test_a_policy_may_ask_for_programs_that_change_nothing(tmp_path: Path) -> None:
    read_only = policy.read(written(tmp_path, "read-only = true"))
    assert read_only.read_only
    assert policy.verifying(read_only).read_only


def test_verify_makes_rules_stricter_and_never_weaker(tmp_path: Path) -> None:
    path = written(tmp_path, 'registry = "accept"\nfile = "accept"\nstore = "refuse"')
    rules = policy.verifying(policy.read(path)).rules
    assert rules == {**policy.RULES, ImageSource.STORE: Rule.REFUSE}
    with pytest.raises(UsageError, match=r"--verify|verify=True"):
        policy.verifying(None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("registry =", "not TOML: Invalid value (at "),
        ("\ud800", "not TOML: "),
        (
            'regstry = "signed"',
            "key 'regstry': expected registry, store, archive, file, bundled, read-only or signer",
        ),
        ('registry = "sign"', "registry 'sign': expected accept, refuse or signed"),
        ("registry = true", "registry 'True': expected accept, refuse or signed"),
        ('file = "signed"', "file 'signed': expected accept or refuse"),
        ('bundled = "signed"', "bundled 'signed': expected accept or refuse"),
        ("[signer]", "signer: write [[signer]]"),
        ('read-only = "yes"', "read-only: expected true or false"),
        ("signer = [1]", "signer 1: a table is expected"),
        (
            '[[signer]]\nkeys = "x"',
            "signer 1: key 'keys': expected images, key, identity, issuer or trusted-root",
        ),
        ("[[signer]]", "signer 1: a key, or an identity and its issuer are expected"),
        ("[[signer]]\nkey = 1", "signer 1: key: a text is expected"),
        ('[[signer]]\nkey = "a\\u0000b"', "signer 1: key: a text is expected"),
        ('[[signer]]\nidentity = "x"', "signer 1: a key, or an identity and its issuer"),
        ('[[signer]]\nkey = "cosign.pub"\nissuer = "x"', "are expected, not both"),
        ('[[signer]]\nkey = "other.pub"', "other.pub: no such file"),
        (
            '[[signer]]\nidentity = "x"\nissuer = "x"\ntrusted-root = "r"',
            "signer 1: trusted-root DIR/r: no such file",
        ),
        (
            '[[signer]]\nkey = "cosign.pub"\nimages = "x"',
            "signer 1: images: a list of patterns is expected",
        ),
        (
            '[[signer]]\nkey = "cosign.pub"\nimages = []',
            "signer 1: images: a list of patterns is expected",
        ),
        ('"\\u001b[31m" = 1', "key '\\x1b[31m': expected"),
        ("a = " + "[" * 5000, "not TOML: "),
    ],
)
def test_what_is_no_policy(tmp_path: Path, text: str, why: str) -> None:
    new_key(tmp_path / "cosign.pub")
    path = tmp_path / "policy.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError) as caught:
        policy.read(path)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: ")
    assert why.replace("DIR", str(tmp_path)) in line


def test_a_policy_is_a_file_of_a_reasonable_size(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"policy\.toml: no such file or directory"):
        policy.read(tmp_path / "policy.toml")
    assert refused(tmp_path, "#" * ((1 << 20) + 1)) == "more than 1048576 bytes"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for others nothing is refused")
def test_a_policy_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.chmod(0o664)
    with pytest.raises(UsageError, match="writable by others"):
        policy.read(path)


def refusal(rules: Policy, name: str, source: ImageSource) -> str:
    blobs = Blobs()
    with pytest.raises(UntrustedImage) as caught:
        decide(rules, candidate(name, source, blobs.add_image(ELF), blobs.read))
    return str(caught.value)


def test_who_may_sign_is_found_by_the_name(tmp_path: Path) -> None:
    """A signer of other images is none: the image is refused before a signature is read."""
    key = new_key(tmp_path / "cosign.pub")

    def is_known(pattern: str, name: str, source: ImageSource = ImageSource.REGISTRY) -> bool:
        rules = policy.signed_by([Signer(key=key.path, images=("other.example/*", pattern))])
        line = refusal(rules, name, source)
        assert "no signer of images with this name" in line or "not signed: no signature" in line
        return "no signer" not in line

    digest = f"@sha256:{64 * 'a'}"
    assert is_known("*", "ghcr.io/org/x")
    assert is_known("ghcr.io/org/*", "ghcr.io/org/x:1")
    assert is_known("ghcr.io/org/*", "ghcr.io/org/deep/x:1" + digest)
    assert is_known("ghcr.io/org/x", "ghcr.io/org/x:1", ImageSource.STORE)
    assert is_known("docker.io/library/x", "x", ImageSource.STORE)
    assert not is_known("ghcr.io/org/*", "ghcr.io/organ/x:1")
    assert not is_known("ghcr.io/org/x", "ghcr.io/org/xy")
    assert not is_known("ghcr.io/org/*", "evil.example/ghcr.io/org/x")
    assert not is_known("ghcr.io/org/?", "ghcr.io/org/x")
    assert is_known("[::1]:5000/*", "[::1]:5000/x:1")
    assert not is_known("[::1]:5000/*", "1:5000/x:1")
    assert is_known("*.tar", "./x.tar", ImageSource.ARCHIVE)
    assert is_known("x.tar", "x.tar", ImageSource.ARCHIVE)
    assert not is_known("ghcr.io/org/*", "./ghcr.io/org/x", ImageSource.ARCHIVE)


@pytest.mark.parametrize("source", ImageSource)
def test_each_rule_at_each_door(source: ImageSource, tmp_path: Path) -> None:
    key = new_key(tmp_path / "cosign.pub")
    blobs = Blobs()
    read: list[str] = []
    top = blobs.add_image(ELF)
    image = (
        file_candidate("./x.o", ELF)
        if source is ImageSource.FILE
        else candidate("x", source, top, blobs.read)
    )

    def note(descriptor: Descriptor) -> bytes:
        read.append(descriptor.digest)
        return ELF

    image = image._replace(read=note)
    for rule in Rule:
        rules = Policy("p.toml", {source: rule}, (Signer(key=key.path),))
        if rule is Rule.ACCEPT:
            assert decide(rules, image) is None
        else:
            with pytest.raises(UntrustedImage) as caught:
                admit(image, policy=rules)
            assert str(caught.value).isprintable()
    assert read == []  # no program of a refused image is read


def test_files_are_refused_by_verify_and_bundled_images_are_not() -> None:
    rules = policy.signed_by([])
    with pytest.raises(UntrustedImage, match=r"\./x\.o: .*: files are refused"):
        admit(file_candidate("./x.o", ELF), policy=rules)
    blobs = Blobs()
    bundled = candidate("x", ImageSource.BUNDLED, blobs.add_image(ELF), blobs.read)
    assert admit(bundled, policy=rules).signature is None
