"""Who may sign an image, and what is known of a signature that was verified."""

from pathlib import Path
from typing import Literal, NamedTuple

from beepy.text import excerpt


class Signer(NamedTuple):
    """The holder of a key, or an identity.

    ``key`` is a file with a public key (PEM). ``identity`` is what ``issuer``, an OpenID Connect
    provider, says of the signer: a mail address, the URL of a workflow; ``trusted_root`` is a file
    with the authorities of its certificates, by default those of sigstore's public instance.
    ``images`` are patterns of the names that it may sign, in which ``*`` is any text.
    """

    key: Path | str | None = None
    identity: str = ""
    issuer: str = ""
    trusted_root: Path | str | None = None
    images: tuple[str, ...] = ("*",)

    @property
    def name(self) -> str:
        """The signer's name in messages, made safe for a terminal."""
        if self.key:
            return excerpt(self.key, 200)
        return f"{excerpt(self.identity, 200)} ({excerpt(self.issuer, 200)})"


class Signature(NamedTuple):
    """A signature that was verified.

    ``signed`` is the digest that it signs: that of ``kind``, an index or the manifest for this
    machine. ``signer`` is the name of who signed. ``form`` is how cosign stores it: as a bundle,
    which refers to what it signs, or under a tag. ``digest`` is that of the manifest that holds it.
    """

    signed: str
    kind: Literal["index", "manifest"]
    signer: str
    form: Literal["bundle", "tag"]
    digest: str
