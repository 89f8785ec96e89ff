"""The options that several commands share, which stand before and after the command's name."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from beepy import log
from beepy.cli import panels
from beepy.cli.stdio import eprint
from beepy.errors import BeepyError, UsageError
from beepy.oci.options import Options
from beepy.text import brief, safe


class Settings(NamedTuple):
    """What the user chose by these options."""

    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show what is loaded and attached.", rich_help_panel=panels.GENERAL),
    ] = False
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            "-d",
            help="Show system calls, relocations, the verifier's log.",
            rich_help_panel=panels.GENERAL,
        ),
    ] = False
    storage: Annotated[
        Path | None,
        typer.Option(
            "--storage",
            metavar="DIR",
            envvar="BEEPY_STORAGE",
            help="Use this local store alone.",
            rich_help_panel=panels.GENERAL,
        ),
    ] = None
    username: Annotated[
        str | None,
        typer.Option(
            "--username", "-u", metavar="NAME", help="User at the image's registry.", rich_help_panel=panels.REGISTRIES
        ),
    ] = None
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            "-p",
            metavar="TEXT",
            help="Password at the image's registry.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Credentials to look in first; repeat.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    config_dir: Annotated[
        Path | None,
        typer.Option(
            "--config-dir",
            metavar="DIR",
            envvar="BEEPY_CONFIG_DIR",
            help="Directory with config.json: credentials.",
            rich_help_panel=panels.REGISTRIES,
        ),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Do not verify the registry's certificate.", rich_help_panel=panels.REGISTRIES),
    ] = False
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="Speak HTTP without TLS to the registry.", rich_help_panel=panels.REGISTRIES),
    ] = False
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file", metavar="FILE", help="Trust these authorities (PEM) too.", rich_help_panel=panels.REGISTRIES
        ),
    ] = None

    def options(self) -> Options:
        """Return what concerns stores and registries. Raises UsageError, also for a file that does not exist."""
        if self.password is not None and self.username is None:
            raise UsageError("--password: expected --username too")
        for file in self.config or ():
            _expect("--config", "file", file)
        if self.ca_file:
            _expect("--ca-file", "file", self.ca_file)
        if self.config_dir and str(self.config_dir) != os.environ.get("BEEPY_CONFIG_DIR"):  # that may be made later
            _expect("--config-dir", "directory", self.config_dir)
        return Options(
            self.storage,
            self.config_dir,
            tuple(self.config or ()),
            self.username,
            self.password,
            self.insecure,
            self.plain_http,
            self.ca_file,
        )


def _expect(option: str, kind: str, path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{option} {safe(str(path))}: no such {kind}")


GENERAL: Final = ("verbose", "debug")
"""The options that every command takes."""

STORES: Final = (*GENERAL, "storage")
"""Those of a command that reads the local stores."""

REGISTRIES: Final = Settings._fields
"""Those of a command that may ask a registry."""

_PARAMETERS = {
    name: inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=Settings._field_defaults[name], annotation=annotation
    )
    for name, annotation in inspect.get_annotations(Settings).items()
}


def with_settings(function: Callable[..., None], names: tuple[str, ...] = REGISTRIES) -> Callable[..., None]:
    """Give a command the options of these names; it takes them as ``settings``, its own before those of the group."""
    signature = inspect.signature(function)
    own = [parameter for name, parameter in signature.parameters.items() if name not in {"settings", "context"}]
    optional = [parameter.name for parameter in own if parameter.default is not parameter.empty]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    @wraps(function, assigned=("__name__", "__doc__"))  # the signature has the annotations already
    def command(context: typer.Context, **values: Any) -> None:  # noqa: ANN401 - any option's value
        given = {name: values.pop(name) for name in names}
        _refuse_unused(context, names)
        before = context.obj or Settings()
        chosen = {name: value for name, value in given.items() if _is_chosen(context, before, name)}
        if before.config and chosen.get("config"):
            chosen["config"] = [*before.config, *chosen["config"]]
        settings = before._replace(**chosen)
        context.find_root().obj = context.obj = settings
        if context.invoked_subcommand is None:  # else it has the last word on them
            _log_to_stderr(settings)
        _refuse_empty(context, {name: values[name] for name in optional if name in values})
        try:
            function(settings=settings, **values)
        except BeepyError:
            raise
        except OSError as error:  # that nobody below knew more about
            where = safe(str(error.filename)) if error.filename else "system call"
            why = os.strerror(error.errno).lower() if error.errno else safe(str(error))
            raise BeepyError(f"{where}: {why}") from error

    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    command.__signature__ = inspect.Signature([context, *keywords, *[_PARAMETERS[name] for name in names]])  # type: ignore[attr-defined]
    return command


def _refuse_unused(context: typer.Context, names: tuple[str, ...]) -> None:
    """Raise UsageError for an option before the command's name that this command does not take."""
    for name in Settings._fields:
        source = None if name in names else context.find_root().get_parameter_source(name)
        if source and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')}: beepy {context.info_name} does not take it")


def _is_chosen(context: typer.Context, before: Settings, name: str) -> bool:
    """Tell whether this command's value counts: what stands on the command line beats the environment."""
    source = context.get_parameter_source(name)
    unset = getattr(before, name) == Settings._field_defaults[name]
    return source is not None and (source.name == "COMMANDLINE" or (source.name == "ENVIRONMENT" and unset))


def _refuse_empty(context: typer.Context, options: dict[str, Any]) -> None:
    """Raise UsageError for an option whose value is empty, as a shell's unset variable gives it: it is no default."""
    for name, value in options.items():
        source = context.get_parameter_source(name) if value == "" else None
        if source and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')}: expected a value, got an empty one")


def _log_to_stderr(settings: Settings) -> None:
    if settings.debug or settings.verbose:
        from beepy.cli import report  # noqa: PLC0415 - not for warnings alone

        report.listen("DEBUG" if settings.debug else "INFO")
        log.set_warning_handler(None)
    else:
        log.set_warning_handler(lambda text: eprint(f"warning: {brief(safe(text))}"))
