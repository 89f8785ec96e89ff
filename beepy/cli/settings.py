"""The options that several commands share; they may be given before or after the command's name."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.models import OptionInfo

from beepy import log
from beepy.cli import panels
from beepy.cli.stdio import eprint
from beepy.errors import BeepyError, UsageError
from beepy.oci.options import Options
from beepy.text import brief, safe

STORAGE_VARIABLE: Final = "BEEPY_STORAGE"
CONFIG_VARIABLE: Final = "BEEPY_CONFIG_DIR"
"""Variables of the environment that stand for --storage and --config-dir."""


class Settings(NamedTuple):
    """The values of these options."""

    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Log what is loaded and attached.",
            rich_help_panel=panels.GENERAL,
        ),
    ] = False
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            "-d",
            help="Log system calls, relocations, the verifier's log.",
            rich_help_panel=panels.GENERAL,
        ),
    ] = False
    storage: Annotated[
        Path | None,
        typer.Option(
            "--storage",
            metavar="DIR",
            envvar=STORAGE_VARIABLE,
            help="Use only this local store.",
            rich_help_panel=panels.GENERAL,
        ),
    ] = None
    username: Annotated[
        str | None,
        typer.Option(
            "--username",
            "-u",
            metavar="NAME",
            help="User name for the image's registry.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            "-p",
            metavar="TEXT",
            help="Password for the image's registry.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Credentials file to read first; repeat.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    config_dir: Annotated[
        Path | None,
        typer.Option(
            "--config-dir",
            metavar="DIR",
            envvar=CONFIG_VARIABLE,
            help="Directory of config.json and registries.toml.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Do not verify the registry's certificate.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = False
    plain_http: Annotated[
        bool,
        typer.Option(
            "--plain-http",
            help="Use HTTP without TLS.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = False
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            metavar="FILE",
            help="Trust these CA certificates (PEM), too.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None

    def registry_options(self) -> Options:
        """Return the options for stores and registries.

        Raise UsageError for a file that does not exist, and for a password without a user name.
        """
        if self.password is not None and self.username is None:
            raise UsageError("--password: expected --username too")
        for file in self.config or ():
            _check_exists("--config", "file", file)
        if self.ca_file:
            _check_exists("--ca-file", "file", self.ca_file)
        if self.config_dir and str(self.config_dir) != os.environ.get(CONFIG_VARIABLE):
            # one from the environment may be created later
            _check_exists("--config-dir", "directory", self.config_dir)
        return Options(
            storage=self.storage,
            config_dir=self.config_dir,
            configs=tuple(self.config or ()),
            username=self.username,
            password=self.password,
            insecure=self.insecure,
            plain_http=self.plain_http,
            ca_file=self.ca_file,
        )


def _check_exists(option: str, kind: str, path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{option} {safe(str(path))}: no such {kind}")


GENERAL: Final = ("verbose", "debug")
"""The options of every command."""

STORES: Final = (*GENERAL, "storage", "config_dir")
"""The options of a command that reads the local stores."""

LOG_OUT: Final = (*GENERAL, "config_dir")
"""The options of a command that removes credentials."""

LOG_IN: Final = (*LOG_OUT, "username", "password", "insecure", "plain_http", "ca_file")
"""The options of a command that checks credentials at a registry, and keeps them."""

REGISTRIES: Final = Settings._fields
"""The options of a command that may contact a registry."""

_CONTEXT: Final = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)
_PARAMETERS: Final = {
    name: inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=Settings._field_defaults[name],
        annotation=annotation,
    )
    for name, annotation in inspect.get_annotations(Settings).items()
}


def with_settings(
    function: Callable[..., None],
    names: tuple[str, ...] = REGISTRIES,
    arguments: Sequence[str] | None = None,
) -> Callable[..., None]:
    """Return a typer command that takes the shared options ``names`` besides those of ``function``.

    ``function`` gets them as one value, ``settings``, in which those given after the command's name
    override those given before it. The command also sets up logging, refuses options that are empty
    or that it does not take, and raises BeepyError for any OSError. For ``arguments`` it need know
    the options alone that they can set.
    """
    parameters = inspect.signature(function).parameters.values()
    every = [
        *[parameter for parameter in parameters if parameter.name != "settings"],
        *[_PARAMETERS[name] for name in names],
    ]
    known = every if arguments is None else _settable(every, arguments)
    shared_names = [parameter.name for parameter in known if parameter.name in names]
    own = [parameter for parameter in known if parameter.name not in names]
    optional = [parameter.name for parameter in own if parameter.default is not parameter.empty]

    @wraps(function, assigned=("__name__", "__doc__"))  # annotations are in the signature below
    def command(context: typer.Context, **values: Any) -> None:  # noqa: ANN401 - any option's value
        shared = {name: values.pop(name) for name in shared_names}
        _refuse_unused(context, names)
        settings = _merge(context, shared)
        context.find_root().obj = context.obj = settings
        if context.invoked_subcommand is None:  # else it does, with its own options merged in
            log_to_stderr(settings)
        _refuse_empty(context, {name: values[name] for name in optional})
        _call(function, settings, values)

    # typer reads the options of a command from its signature
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_CONTEXT, *keywords, *[_PARAMETERS[name] for name in shared_names]]
    )
    return command


def _settable(
    parameters: Sequence[inspect.Parameter], arguments: Sequence[str]
) -> Sequence[inspect.Parameter]:
    """Return the parameters that these arguments, or the environment, can set.

    typer and click take 50 us for each option that they know, and few of the 70 of ``run`` are
    given. All are returned where an argument may be anything but an option's name, and for --help.
    """
    typed = {text.partition("=")[0] for text in arguments if text[:1] == "-" and text != "-"}
    options = {parameter.name: _option(parameter) for parameter in parameters}
    if typed - {name for option in options.values() if option for name in _names(option)}:
        return parameters
    return [
        parameter
        for parameter in parameters
        if not (option := options[parameter.name])
        or not typed.isdisjoint(_names(option))
        or (option.envvar and option.envvar in os.environ)
    ]


def _option(parameter: inspect.Parameter) -> OptionInfo | None:
    """Return what typer.Option made, None for an operand."""
    (about,) = parameter.annotation.__metadata__
    return about if isinstance(about, OptionInfo) else None


def _names(option: OptionInfo) -> tuple[str, ...]:
    # within Annotated the first name stands where a default would
    return (str(option.default), *(option.param_decls or ()))


def _call(function: Callable[..., None], settings: Settings, values: Mapping[str, Any]) -> None:
    """Call a command's function. Raise BeepyError for an OSError that nothing below it handled."""
    try:
        function(settings=settings, **values)
    except BeepyError:  # a KernelError is an OSError
        raise
    except OSError as error:
        where = safe(str(error.filename)) if error.filename else "system call"
        why = os.strerror(error.errno).lower() if error.errno else safe(str(error))
        raise BeepyError(f"{where}: {why}") from error


def _merge(context: typer.Context, shared: Mapping[str, Any]) -> Settings:
    """Return the settings of the group with those of this command; --config adds to the group's."""
    group: Settings = context.obj or Settings()
    given = {name: value for name, value in shared.items() if _overrides(context, group, name)}
    if group.config and given.get("config"):
        given["config"] = [*group.config, *given["config"]]
    return group._replace(**given)


def _overrides(context: typer.Context, group: Settings, name: str) -> bool:
    """Return whether this command's value replaces the group's.

    A value from the command line does; one from the environment does where the group has none.
    """
    source = context.get_parameter_source(name)
    unset = getattr(group, name) == Settings._field_defaults[name]
    return source is not None and (
        source.name == "COMMANDLINE" or (source.name == "ENVIRONMENT" and unset)
    )


def _refuse_unused(context: typer.Context, names: tuple[str, ...]) -> None:
    """Raise UsageError for an option given before the command's name that it does not take."""
    for name in Settings._fields:
        source = None if name in names else context.find_root().get_parameter_source(name)
        if source and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name.replace('_', '-')}: beepy {context.info_name} does not take it"
            )


def _refuse_empty(context: typer.Context, options: dict[str, Any]) -> None:
    """Raise UsageError for empty values on the command line, as unset shell variables give."""
    for name, value in options.items():
        source = context.get_parameter_source(name) if value == "" else None
        if source and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')}: expected a value, got an empty one")


def log_to_stderr(settings: Settings) -> None:
    """Show warnings on stderr, with -v or -d also what ``logging`` gets at that level."""
    if settings.debug or settings.verbose:
        from beepy.cli import report  # noqa: PLC0415 - imports logging, which warnings do not need

        report.log_to_stderr("DEBUG" if settings.debug else "INFO")
        log.set_warning_handler(None)
    else:
        log.set_warning_handler(lambda text: eprint(f"warning: {brief(safe(text))}"))
