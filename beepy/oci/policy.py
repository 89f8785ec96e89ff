"""Policies: which images may be used, by where they were found and by who signed them."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

from beepy.errors import InvalidReference, UntrustedImage, UsageError, worded
from beepy.oci import reference
from beepy.oci.admission import Candidate, ImageSource
from beepy.oci.signatures.key import read_own
from beepy.oci.signatures.signer import Signature, Signer
from beepy.text import excerpt, safe

_MAX_POLICY: Final = 1 << 20


class Rule(Enum):
    """What becomes of the images that were found in one place."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    SIGNED = "signed"


RULES: Final[Mapping[ImageSource, Rule]] = {
    ImageSource.REGISTRY: Rule.SIGNED,
    ImageSource.STORE: Rule.SIGNED,
    ImageSource.ARCHIVE: Rule.SIGNED,
    ImageSource.FILE: Rule.REFUSE,
    ImageSource.BUNDLED: Rule.ACCEPT,
}
"""The rules of --verify; those of a policy where it has no others."""

_UNSIGNED: Final = (ImageSource.FILE, ImageSource.BUNDLED)  # cannot have signatures
_PLURALS: Final[Mapping[ImageSource, str]] = {
    ImageSource.REGISTRY: "images of a registry",
    ImageSource.STORE: "images of a store",
    ImageSource.ARCHIVE: "archives",
    ImageSource.FILE: "files",
    ImageSource.BUNDLED: "bundled images",
}
_READ_ONLY: Final = "read-only"
_SIGNER_KEYS: Final = ("images", "key", "identity", "issuer", "trusted-root")


class Policy(NamedTuple):
    """The rules; ``where`` names the policy in messages.

    ``read_only``: a run refuses programs that can change more than their own maps.
    """

    where: str
    rules: Mapping[ImageSource, Rule]
    signers: tuple[Signer, ...]
    read_only: bool = False


def signed_by(signers: Iterable[Signer], where: str = "--verify") -> Policy:
    """Return the policy of --verify: files are refused, bundled images are part of the package.

    Raises UsageError for a signer that has neither a key nor an identity.
    """
    signers = tuple(signers)
    for number, signer in enumerate(signers, 1):
        refuse_incomplete(signer, f"signer {number}")
    return Policy(where, RULES, signers)


def verifying(policy: Policy | None) -> Policy:
    """Return the policy with the rules of --verify, or stricter ones; raise UsageError for None."""
    if policy is None:
        raise UsageError(worded("--verify: neither a signer nor a policy is given"))
    rules = {
        source: Rule.REFUSE if policy.rules[source] is Rule.REFUSE else rule
        for source, rule in RULES.items()
    }
    return policy._replace(rules=rules)


def read(path: Path) -> Policy:
    """Return the policy in a TOML file. Raises UsageError, also if others can write it."""
    where = safe(str(path))
    try:
        table = tomllib.loads(read_own(path, _MAX_POLICY, "policy").decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ones
        why = "nested too deeply" if isinstance(error, RecursionError) else excerpt(error, 160)
        raise UsageError(f"{where}: not TOML: {why}") from error
    return parse(table, where, path.parent)


def parse(table: Mapping[str, object], where: str, directory: Path) -> Policy:
    """Return the policy in a table of TOML, whose paths are relative to ``directory``.

    ``where`` names the table in messages. Raises UsageError for a key that is not known, and for a
    file that does not exist.
    """
    sources = {source.value: source for source in ImageSource}
    _refuse_unknown(table, (*sources, _READ_ONLY, "signer"), where)
    read_only = table.get(_READ_ONLY, False)
    if not isinstance(read_only, bool):
        raise UsageError(f"{where}: {_READ_ONLY}: expected true or false")
    rules = dict(RULES)
    for name, source in sources.items():
        if name in table:
            rules[source] = _rule(table[name], source, f"{where}: {name}")
    signers = table.get("signer", [])
    if not isinstance(signers, list):
        raise UsageError(f"{where}: signer: write [[signer]]")
    return Policy(
        where,
        rules,
        tuple(
            _signer(value, f"{where}: signer {number}", directory)
            for number, value in enumerate(signers, 1)
        ),
        read_only,
    )


def decide(policy: Policy, image: Candidate) -> Signature | None:
    """Return the signature that the policy asks for, None if it accepts the image without one.

    No program has been read yet. Raises UntrustedImage if the image is refused, UsageError for a
    key that cannot be read, RegistryError.
    """
    where = excerpt(image.name, 200)
    rule = policy.rules[image.source]
    if rule is Rule.ACCEPT:
        return None
    if rule is Rule.REFUSE:
        why = f"{where}: {policy.where}: {_PLURALS[image.source]} are refused"
        raise UntrustedImage(worded(why))
    signers = _signers_of(policy.signers, image)
    if not signers:
        raise UntrustedImage(f"{where}: {policy.where}: no signer of images with this name")
    from beepy.oci.signatures.verify import verify  # noqa: PLC0415 - cryptography costs 30 ms

    return verify(image, signers)


def _signers_of(signers: Sequence[Signer], image: Candidate) -> list[Signer]:
    """Return who may sign an image: by its repository, an archive by its path."""
    name = image.name
    if image.source is not ImageSource.ARCHIVE:
        with suppress(InvalidReference):
            name = reference.parse(name).name
    return [
        signer for signer in signers if any(_matches(name, pattern) for pattern in signer.images)
    ]


def _matches(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern, in which only ``*`` is special: hosts are ``[::1]``."""
    return fnmatchcase(name, re.sub(r"[\[?]", r"[\g<0>]", pattern))


def _rule(value: object, source: ImageSource, where: str) -> Rule:
    allowed = [rule for rule in Rule if rule is not Rule.SIGNED or source not in _UNSIGNED]
    for rule in allowed:
        if value == rule.value:
            return rule
    words = [rule.value for rule in allowed]
    raise UsageError(f"{where} '{excerpt(value)}': expected {_listed(words)}")


def _signer(value: object, where: str, directory: Path) -> Signer:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: a table is expected")
    _refuse_unknown(value, _SIGNER_KEYS, where)
    texts = dict(_texts(value, where))
    images = value.get("images", ["*"])
    if (
        not isinstance(images, list)
        or not images
        or not all(isinstance(pattern, str) for pattern in images)
    ):
        raise UsageError(f"{where}: images: a list of patterns is expected")
    key, root = texts.get("key"), texts.get("trusted-root")
    signer = Signer(
        key=directory / key if key else None,
        identity=texts.get("identity", ""),
        issuer=texts.get("issuer", ""),
        trusted_root=directory / root if root else None,
        images=tuple(images),
    )
    refuse_incomplete(signer, where)
    for name, path in (("key", signer.key), ("trusted-root", signer.trusted_root)):
        if path and not Path(path).is_file():
            raise UsageError(f"{where}: {name} {safe(str(path))}: no such file")
    return signer


def refuse_incomplete(signer: Signer, where: str) -> None:
    """Raise UsageError unless a signer has either a key, or an identity with its issuer."""
    is_keyless = bool(signer.identity and signer.issuer)
    if signer.key and (signer.identity or signer.issuer or signer.trusted_root):
        raise UsageError(f"{where}: a key, or an identity and its issuer are expected, not both")
    if not signer.key and not is_keyless:
        raise UsageError(f"{where}: a key, or an identity and its issuer are expected")


def _texts(table: Mapping[str, object], where: str) -> Iterator[tuple[str, str]]:
    for name in ("key", "identity", "issuer", "trusted-root"):
        value = table.get(name)
        if value is not None:
            if not isinstance(value, str) or not value or "\0" in value:
                raise UsageError(f"{where}: {name}: a text is expected")
            yield name, value


def _refuse_unknown(table: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for name in table:
        if name not in known:
            raise UsageError(f"{where}: key '{excerpt(name)}': expected {_listed(known)}")


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
