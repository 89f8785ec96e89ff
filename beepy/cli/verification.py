"""The options that say by whom an image must be signed: those of ``verify``, and of ``run``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from beepy.cli import panels
from beepy.errors import UsageError

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # most runs have none

Keys: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Accept signatures by this public key; repeat.",
        rich_help_panel=panels.SIGNATURES,
    ),
]
Identity: TypeAlias = Annotated[
    str,
    typer.Option(
        "--certificate-identity",
        metavar="TEXT",
        help="Accept keyless signatures of this identity.",
        rich_help_panel=panels.SIGNATURES,
    ),
]
Issuer: TypeAlias = Annotated[
    str,
    typer.Option(
        "--certificate-oidc-issuer",
        metavar="URL",
        help="Who vouches for the identity.",
        rich_help_panel=panels.SIGNATURES,
    ),
]
TrustedRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--trusted-root",
        metavar="FILE",
        help="Authorities of keyless signatures; default: sigstore's.",
        rich_help_panel=panels.SIGNATURES,
    ),
]
PolicyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="Use only images that this policy accepts (TOML).",
        rich_help_panel=panels.SIGNATURES,
    ),
]
Verify: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Run only signed and bundled images.",
        rich_help_panel=panels.SIGNATURES,
    ),
]
ReadOnly: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--read-only",
        help="Run no program that can change more than its maps.",
        rich_help_panel=panels.SIGNATURES,
    ),
]


def read_policy(
    keys: Sequence[Path], identity: str, issuer: str, trusted_root: Path | None, file: Path | None
) -> "Policy | None":
    """Return the policy that the options ask for, None for no option. Raises UsageError."""
    option = signer_option(keys, identity, issuer, trusted_root)
    if not option and file is None:
        return None
    from beepy.oci import policy  # noqa: PLC0415 - few runs verify
    from beepy.oci.signatures.signer import Signer  # noqa: PLC0415

    if file is not None:
        if option:
            raise UsageError(f"{option}: not with --policy, which has the signers")
        return policy.read(file)
    if identity and not issuer:
        raise UsageError(f"{option}: expected --certificate-oidc-issuer too")
    if (issuer or trusted_root) and not identity:
        raise UsageError(f"{option}: expected --certificate-identity too")
    signers = [Signer(key=key) for key in keys]
    if identity:
        signers.append(Signer(identity=identity, issuer=issuer, trusted_root=trusted_root))
    return policy.signed_by(signers)


def signer_option(
    keys: Sequence[Path], identity: str, issuer: str, trusted_root: Path | None
) -> str:
    """Return the first option given that names a signer, "" for none."""
    options = {
        "--certificate-identity": identity,
        "--certificate-oidc-issuer": issuer,
        "--trusted-root": trusted_root,
        "--key": keys,
    }
    return next((option for option, value in options.items() if value), "")
