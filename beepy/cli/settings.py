"""The global options, which every command takes before and after its name."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from beepy import log
from beepy.cli.standard import say
from beepy.errors import BeepyError, UsageError
from beepy.oci.options import Options
from beepy.text import brief, safe


class Settings(NamedTuple):
    """What the user chose for all commands."""

    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell what is loaded and attached.")] = False
    debug: Annotated[
        bool, typer.Option("--debug", "-d", help="Tell system calls, relocations, the verifier's log, tracebacks.")
    ] = False
    storage: Annotated[
        Path | None,
        typer.Option("--storage", metavar="DIR", envvar="BEEPY_STORAGE", help="The only local store to use."),
    ] = None
    config_dir: Annotated[
        Path | None,
        typer.Option("--config-dir", metavar="DIR", envvar="BEEPY_CONFIG_DIR", help="Folder of settings."),
    ] = None
    config: Annotated[
        list[Path] | None, typer.Option("--config", "-c", metavar="FILE", help="Credentials to ask first; repeat.")
    ] = None
    username: Annotated[
        str | None, typer.Option("--username", "-u", metavar="NAME", help="User at the image's registry.")
    ] = None
    password: Annotated[
        str | None, typer.Option("--password", "-p", metavar="TEXT", help="Password at the image's registry.")
    ] = None
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify the registry's certificate.")] = False
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Speak HTTP without TLS to the registry.")] = False
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust these authorities (PEM) too.")
    ] = None

    def options(self) -> Options:
        """Return what concerns stores and registries. Raises UsageError."""
        if self.password is not None and self.username is None:
            raise UsageError("--password: expected --username too")
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


_PARAMETERS = [
    inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=Settings._field_defaults[name], annotation=annotation
    )
    for name, annotation in inspect.get_annotations(Settings).items()
]


def with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command all global options; it takes them as ``settings``, its own before those of the group."""
    signature = inspect.signature(function)
    own = [parameter for name, parameter in signature.parameters.items() if name not in {"settings", "context"}]
    optional = [parameter.name for parameter in own if parameter.default is not parameter.empty]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    @wraps(function, assigned=("__name__", "__doc__"))  # the signature has the annotations already
    def command(context: typer.Context, **values: Any) -> None:  # noqa: ANN401 - any option's value
        given = {name: values.pop(name) for name in Settings._fields}
        before = context.obj or Settings()
        chosen = {name: value for name, value in given.items() if _is_chosen(context, before, name)}
        if before.config and chosen.get("config"):
            chosen["config"] = [*before.config, *chosen["config"]]
        settings = before._replace(**chosen)
        context.find_root().obj = context.obj = settings
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
    command.__signature__ = inspect.Signature([context, *keywords, *_PARAMETERS])  # type: ignore[attr-defined]
    return command


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
        log.warn(None)
    else:
        log.warn(lambda text: say(f"warning: {brief(safe(text))}"))
