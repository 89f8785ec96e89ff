"""Parameters of images as options of ``run``: ``--KEY VALUE``, where ``run`` has no such option."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Final

import typer

from beepy.btf import types
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.cli.spelling import OTHERS, is_parameter
from beepy.errors import ImageNotFound, UsageError
from beepy.obj.spec import CollectionSpec, Value
from beepy.request import RunRequest, specs_of
from beepy.text import safe

_MAX_LISTED: Final = 12  # parameters in a note
_SIMILAR: Final = 0.6  # difflib's measure
_MISSPELLED: Final = 0.8


def applied(request: RunRequest, given: Sequence[str]) -> RunRequest:
    """Return ``request`` with the parameters ``given`` among its variables, and its images found.

    Each is KEY=VALUE, or KEY. Raises UsageError for a key that no image has, or without its value.
    """
    keys = [text.partition("=")[0] for text in given]
    try:
        pairs = [specs_of(image, request.options) for image in request.images]
    except ImageNotFound as error:  # an option of ours, misspelled, or the image's name is
        raise no_such_option(keys[0], why=str(error)) from None
    specs = [spec for _, image_specs in pairs for spec in image_specs]
    variables = dict(request.variables)
    for text in given:
        key, equals, value = text.partition("=")
        holders = [spec for spec in specs if any(p.key == key for p in spec.parameters)]
        if not holders:
            raise no_such_option(key, specs)
        if key in variables:
            raise UsageError(f"--{safe(key)}: a second value for '{safe(key)}'")
        variables[key] = value if equals else _flag(key, holders)
    images = [image or image_specs[0] for image, image_specs in pairs]
    return request._replace(images=images, variables=variables)


def option(key: str) -> str:
    """Return how a parameter is set on the command line: ``--KEY VALUE``, else ``--set KEY=VALUE``.

    The first is possible unless ``run`` has an option of that name.
    """
    name = f"--{key}"
    if is_parameter(name) and name not in run_options():
        return f"{name} VALUE"
    return f"--set {key}=VALUE"


@cache
def run_options() -> tuple[str, ...]:
    """Return the long names of the options of ``run``, sorted."""
    from beepy.cli import app  # noqa: PLC0415 - it imports the commands

    command = typer.main.get_command(app.command_app("run"))
    parameters = command.get_params(typer.Context(command, **command.context_settings))
    names = {name for parameter in parameters for name in parameter.opts if name[:2] == "--"}
    return tuple(sorted(names - {OTHERS}))


def no_such_option(key: str, specs: Sequence[CollectionSpec] = (), why: str = "") -> UsageError:
    """Return the error for an unknown option, with what may be meant: our options, parameters.

    ``why`` is why the parameters are not known.
    """
    known = {f"--{p.key}": None for spec in specs for p in spec.parameters}
    cutoff = _MISSPELLED if why else _SIMILAR
    similar = get_close_matches(f"--{key}", [*run_options(), *known], cutoff=cutoff)
    advice = f"did you mean {safe(similar[0])}?" if similar else why
    error = UsageError(": ".join(filter(None, [f"no such option: --{safe(key)}", advice])))
    if known:
        listed = ", ".join([safe(name) for name in [*known][:_MAX_LISTED]])
        more = ", ..." if len(known) > _MAX_LISTED else ""
        names = ", ".join(dict.fromkeys([safe(spec.name) for spec in specs if spec.parameters]))
        error.add_note(f"parameters of {names}: {listed}{more}")
    error.add_note("beepy run --help")
    return error


def _flag(key: str, specs: Iterable[CollectionSpec]) -> Value:
    """Return true for a parameter without a value. Raises UsageError if it is no bool."""
    for spec in specs:
        names: Mapping[str, str] = {p.key: p.variable for p in spec.parameters}
        for variable in spec.variables:
            if variable.name == names[key] and spec.btf:
                kind = skip_mods_and_typedefs(spec.btf, variable.type)[1]
                if isinstance(kind, types.Int) and kind.bool:
                    return True
    raise UsageError(f"--{safe(key)}: expected a value")
