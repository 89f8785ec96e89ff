"""The public functions about images, which load nothing: what ``beepy describe`` and others do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from beepy import arguments
from beepy.btf.btf import Btf
from beepy.errors import UsageError
from beepy.oci import lookup
from beepy.oci.image import Image
from beepy.oci.options import Options
from beepy.oci.signatures.signer import Signer
from beepy.oci.store import Entry

if TYPE_CHECKING:
    from beepy.analysis.description import Description  # a run needs none of it

_NO_TYPES: Mapping[str, str] = MappingProxyType({})


def describe(
    image: str | Path | Image,
    program: int = 0,
    *,
    check: bool = False,
    btf: Btf | str | Path | None = None,
    relocations: bool = False,
    types: Mapping[str, str] = _NO_TYPES,
    options: Options | None = None,
) -> "Description":
    """Return the description of an image, which is not loaded.

    ``program`` is the number of its object, if it has several. ``check`` asks whether this kernel
    can run it (its answer is ``check`` of what is returned); with ``btf``, the types of another
    kernel or a file of them, whether that one can. ``relocations`` lists the CO-RE relocations too.
    ``types`` are the types of maps' records, as for ``open``.
    Needs no privilege without ``check``. Raises BeepyError, and IndexError for an object that the
    image does not have.
    """
    from beepy.inspection import inspect  # noqa: PLC0415 - a run needs none of it

    expect_types(types)
    arguments.expect("btf", [btf], "a path, or types", Btf | str | Path | None)
    if btf and not (check or relocations):
        raise UsageError("btf: expected check=True or relocations=True too")
    found = lookup.find(image, options or Options())
    described = inspect(found, check=check, btf=btf, relocations=relocations, types=types)
    return described[program]


def json_schema(
    image: str | Path | Image,
    *,
    types: Mapping[str, str] = _NO_TYPES,
    options: Options | None = None,
) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an image's rows: what ``-o json`` and ``asdict`` give.

    ``$defs`` has one schema for each map, of a row with ``map`` and ``time`` beside the fields.
    Besides those of JSON Schema there are the members ``parameters``, the schema of what
    ``variables`` takes, ``changes``, what the image can change besides its own maps, and
    ``read_only``, whether that is nothing. ``types`` are the types of maps' records, as for
    ``open``. Needs no privilege. Raises BeepyError.
    """
    from beepy import inspection  # noqa: PLC0415 - a run needs none of it

    expect_types(types)
    return inspection.json_schema(lookup.find(image, options or Options()), types=types)


def verify(
    image: str | Path,
    *signers: Signer,
    policy: str | Path | None = None,
    options: Options | None = None,
) -> Image:
    """Return an image that one of ``signers`` has signed, or that a policy accepts.

    Its ``signature`` is the one that was verified, None for an image that is accepted without, such
    as a bundled one. What is returned can be run. Raises UntrustedImage and other BeepyErrors.
    """
    arguments.expect("image", [image], "its name or path", str | Path)
    if not signers and policy is None:
        raise UsageError("signers: expected at least one, or a policy")
    return lookup.find(image, verifying(options or Options(), policy, verify=signers))


def images(options: Options | None = None) -> list[Entry]:
    """Return the images that need no network: the local stores', then the bundled ones."""
    return [entry for entry, _ in lookup.list_images(options or Options())]


def expect_types(types: Mapping[str, str]) -> None:
    """Raise TypeError for what are no types of maps."""
    wanted = "a mapping of maps to types"
    arguments.expect_values("types", types, wanted, "a type in C for each map", str)


def verifying(
    options: Options, policy: str | Path | None, *, verify: bool | Signer | Sequence[Signer]
) -> Options:
    """Return the options with a policy that asks for these signers, or with that of a file."""
    arguments.expect("policy", [policy], "a path", str | Path | None)
    arguments.expect("verify", [verify], "True, a Signer, or several", bool | Sequence)
    if not verify and policy is None:
        if verify is not False:  # a list that lost its signers
            raise UsageError("verify: expected at least one signer, got none")
        return options
    from beepy.oci import policy as policies  # noqa: PLC0415 - most runs verify nothing

    signers: Sequence[Signer]
    if isinstance(verify, Signer):  # which is a sequence, too
        signers = (verify,)
    else:
        signers = () if isinstance(verify, bool) else verify
    arguments.expect("verify", signers, "True, a Signer, or several", Signer)
    if policy is not None:
        if signers:
            raise UsageError("verify: expected True: the policy names the signers")
        chosen: policies.Policy | None = policies.read(Path(policy))
    else:
        chosen = policies.signed_by(signers, "verify") if signers else options.policy
    return options._replace(policy=chosen, verify=bool(verify))
