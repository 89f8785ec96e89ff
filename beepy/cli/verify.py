"""The options of ``beepy verify``."""

from typing import Annotated, Literal

import typer

from beepy.cli import stdio, verification
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.text import safe


def verify(
    *,
    settings: Settings,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image reference or archive.")],
    keys: verification.Keys = None,
    identity: verification.Identity = "",
    issuer: verification.Issuer = "",
    trusted_root: verification.TrustedRoot = None,
    policy_file: verification.PolicyFile = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="Output format.")
    ] = "text",
) -> None:
    """Verify that an image is signed, as cosign signs."""
    policy = verification.read_policy(keys or (), identity, issuer, trusted_root, policy_file)
    if policy is None:
        raise UsageError("verify: expected --key, --certificate-identity or --policy")
    from beepy.oci import lookup  # noqa: PLC0415 - not for --help

    verified = lookup.find(image, settings.registry_options()._replace(policy=policy))
    signature = verified.signature
    if output == "json":
        import json  # noqa: PLC0415

        document = {
            "image": image,
            "digest": verified.digest,
            "signature": signature._asdict() if signature else None,
        }
        stdio.write(json.dumps(document, indent=2) + "\n")
    elif signature:
        stdio.write(
            f"{safe(image)}: signed by {signature.signer}\n"
            f"{signature.kind:10}{signature.signed}\n"
            f"{'signature':10}{signature.digest}\n"
        )
    else:
        why = f" by {policy.where}" if policy_file else ": part of beepy"  # a bundled image
        stdio.write(f"{safe(image)}: accepted without a signature{why}\n")
        stdio.write(f"{'manifest':10}{verified.digest}\n")
