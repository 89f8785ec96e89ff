"""What a signature says before it is verified."""

import base64
import binascii
from typing import Literal, NamedTuple

from beepy.errors import UnsupportedImage
from beepy.text import excerpt


class Claim(NamedTuple):
    """One signature that is not verified yet: it says that an image has one of ``digests``.

    ``signature`` is the one of ``message``. ``hint`` is the base64 of its key's SHA-256, "" if it
    does not say. ``bundle`` is the bundle as a whole, ``is_keyless`` if a certificate has the key.
    """

    form: Literal["bundle", "tag"]
    digests: tuple[str, ...]
    message: bytes
    signature: bytes
    hint: str = ""
    bundle: bytes = b""
    is_keyless: bool = False


def decoded(value: object, where: str) -> bytes:
    """Return the bytes of a base64 text. Raises UnsupportedImage."""
    if not isinstance(value, str) or not value:
        raise UnsupportedImage(f"{where}: base64 is expected, not {excerpt(value)}")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise UnsupportedImage(f"{where}: not base64") from error
    if base64.b64encode(data).decode() != value:  # bits of the last character that are not used
        raise UnsupportedImage(f"{where}: not base64")
    return data


def parse_member(value: dict[str, object], name: str, where: str) -> dict[str, object]:
    """Return an object that is a member of another one. Raises UnsupportedImage."""
    member = value.get(name)
    if not isinstance(member, dict):
        raise UnsupportedImage(f"{where}: {name}: an object is expected")
    return member
