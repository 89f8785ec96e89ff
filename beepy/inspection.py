"""What is known of an image: read from it and, if that is asked for, checked against a kernel."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from beepy.analysis.describe import describe, shown
from beepy.analysis.description import CheckInfo, Description
from beepy.btf.btf import Btf
from beepy.check import check as checking
from beepy.check.check import ERROR, CheckResult
from beepy.core.resolve import Fixup
from beepy.events.decoders import Decoders
from beepy.host import btf_file
from beepy.obj import map_sizes
from beepy.obj.spec import CollectionSpec
from beepy.oci.image import Image
from beepy.source import parse_all


def inspect(
    image: Image,
    *,
    check: bool = False,
    btf: Btf | str | Path | None = None,
    relocations: bool = False,
    types: Mapping[str, str] = MappingProxyType({}),
) -> list[Description]:
    """Return a description of each object of an image.

    ``check`` finds out whether a kernel can run it, ``relocations`` adds the CO-RE relocations,
    resolved with ``btf`` or ``check``. The kernel is the running one, or the one whose types are
    ``btf``. ``types`` are the types of maps' records, by map, as of --type. Raises UsageError for
    them, and ObjectError; with ``btf`` or ``check`` also KernelError, BtfError for the file, and
    RelocationError without ``check``.
    """
    specs = _specs(image, types)
    if not check and not (btf and relocations):
        return [describe(image, spec, relocations=relocations) for spec in specs]
    return [
        describe(image, spec, relocations=relocations, fixups=fixups, check=info)
        for spec, (info, fixups) in zip(specs, _ask_kernel(specs, btf, check=check), strict=True)
    ]


def json_schema(image: Image, *, types: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the JSON Schema of the rows of an image, as ``run -o json`` prints them.

    Each map is one of ``$defs``. ``parameters`` is the schema of what --set takes; ``read_only``
    and ``changes`` say what the image can change. Raises UsageError, ObjectError.
    """
    specs = _specs(image, types)
    return json_schema_of(image, specs, [describe(image, spec) for spec in specs])


def json_schema_of(
    image: Image, specs: Sequence[CollectionSpec], descriptions: Sequence[Description]
) -> dict[str, Any]:
    """Return the JSON Schema of the rows of an image's objects. Raises ObjectError."""
    from beepy.events import variable_schema  # noqa: PLC0415 - for this document alone
    from beepy.outputs import json_schema as of_json  # noqa: PLC0415 - as above

    parameters: dict[str, Any] = {}
    maps: dict[str, Any] = {}
    left = of_json.room()
    for spec, description in zip(specs, descriptions, strict=True):
        decoders = Decoders()
        parameters |= variable_schema.of_spec(
            spec, {v.name: v.default for v in description.variables}
        )
        for schema in shown(spec):
            name = schema.map
            while name in maps:  # of another object, or of a text that may have another form
                name += "_"
            maps[name] = of_json.of_map(decoders.of(schema), schema.map, left)
    changes = sorted({change for description in descriptions for change in description.changes})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": image.name,
        "digest": image.digest,
        "read_only": not changes,
        "changes": changes,
        "anyOf": [{"$ref": f"#/$defs/{_pointer(name)}"} for name in maps] or [False],
        "$defs": maps,
        "parameters": {
            "type": "object",
            "properties": parameters,
            "additionalProperties": False,
        },
    }


def _specs(image: Image, types: Mapping[str, str]) -> Sequence[CollectionSpec]:
    """Return the objects of an image, with the types that the user chose for maps."""
    specs = parse_all(image, warn=False)  # the description says why maps are not shown
    if not types:
        return specs
    from beepy.conventions import choices  # noqa: PLC0415 - few calls name one

    return choices.apply_all(specs, types)


def _pointer(name: str) -> str:
    """Return a name as a part of a JSON pointer in a URI."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="")


def _ask_kernel(
    specs: Sequence[CollectionSpec], btf: Btf | str | Path | None, *, check: bool
) -> list[tuple[CheckInfo | None, Mapping[str, Sequence[Fixup]]]]:
    """Return for each object the result of the check, if asked for, and its fixups by program."""
    types = btf_file.read(str(btf)) if isinstance(btf, str | Path) else btf
    if not check:
        return [(None, checking.fixups(spec, types)) for spec in specs]
    results = [checking.check(spec, types) for spec in map_sizes.apply_all(specs, {})]
    return [(_info(result), result.fixups) for result in results]


def _info(result: CheckResult) -> CheckInfo:
    errors = [finding for finding in result.findings if finding.level == ERROR]
    return CheckInfo(
        kernel=result.kernel,
        runs=result.runs,
        errors=tuple([finding.text for finding in errors]),
        warnings=tuple([finding.text for finding in result.findings if finding.level != ERROR]),
        skipped=tuple([finding.text for finding in errors if finding.skipped]),
    )
