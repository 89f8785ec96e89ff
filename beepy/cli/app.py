"""The command table, and the main function of the command line."""

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

import beepy
from beepy.cli import stdio
from beepy.cli.command import Command, Group
from beepy.cli.settings import (
    GENERAL,
    LOG_IN,
    LOG_OUT,
    REGISTRIES,
    STORES,
    Settings,
    with_settings,
)
from beepy.errors import BeepyError


def _run_command() -> Callable[..., None]:
    from beepy.cli.run import run  # noqa: PLC0415 - only the called command is imported

    return with_settings(run, REGISTRIES)


def _list_command() -> Callable[..., None]:
    from beepy.cli.images import list_images  # noqa: PLC0415 - as above

    return with_settings(list_images, STORES)


def _describe_command() -> Callable[..., None]:
    from beepy.cli.describe import describe  # noqa: PLC0415 - as above

    return with_settings(describe, REGISTRIES)


def _pull_command() -> Callable[..., None]:
    from beepy.cli.registry import pull  # noqa: PLC0415 - as above

    return with_settings(pull, REGISTRIES)


def _push_command() -> Callable[..., None]:
    from beepy.cli.registry import push  # noqa: PLC0415 - as above

    return with_settings(push, REGISTRIES)


def _inspect_command() -> Callable[..., None]:
    from beepy.cli.registry import inspect  # noqa: PLC0415 - as above

    return with_settings(inspect, REGISTRIES)


def _login_command() -> Callable[..., None]:
    from beepy.cli.login import login  # noqa: PLC0415 - as above

    return with_settings(login, LOG_IN)


def _logout_command() -> Callable[..., None]:
    from beepy.cli.login import logout  # noqa: PLC0415 - as above

    return with_settings(logout, LOG_OUT)


def _tag_command() -> Callable[..., None]:
    from beepy.cli.store_commands import tag  # noqa: PLC0415 - as above

    return with_settings(tag, STORES)


def _rm_command() -> Callable[..., None]:
    from beepy.cli.store_commands import remove  # noqa: PLC0415 - as above

    return with_settings(remove, STORES)


def _prune_command() -> Callable[..., None]:
    from beepy.cli.store_commands import prune  # noqa: PLC0415 - as above

    return with_settings(prune, STORES)


def _save_command() -> Callable[..., None]:
    from beepy.cli.store_commands import save  # noqa: PLC0415 - as above

    return with_settings(save, STORES)


def _load_command() -> Callable[..., None]:
    from beepy.cli.store_commands import load  # noqa: PLC0415 - as above

    return with_settings(load, STORES)


def _version_command() -> Callable[..., None]:
    from beepy.cli.images import version  # noqa: PLC0415 - as above

    return with_settings(version, GENERAL)


COMMANDS: Final[Mapping[str, Callable[[], Callable[..., None]]]] = {
    "run": _run_command,
    "list": _list_command,
    "describe": _describe_command,
    "inspect": _inspect_command,
    "pull": _pull_command,
    "push": _push_command,
    "login": _login_command,
    "logout": _logout_command,
    "tag": _tag_command,
    "rm": _rm_command,
    "prune": _prune_command,
    "save": _save_command,
    "load": _load_command,
    "version": _version_command,
}
"""Command -> a function that imports it and adds the shared options that it takes."""


def _version(*, wanted: bool) -> None:
    if wanted:
        stdio.write(f"beepy {beepy.__version__}\n")
        raise typer.Exit


def _new_app() -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )


@with_settings
def _group(
    *,
    settings: Settings,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Run eBPF programs that are packaged as OCI images."""


def main() -> int:
    """Run the command line and return its exit code."""
    stdio.reserve_std_fds()
    stdio.escape_unencodable()
    try:
        code = _run(sys.argv[1:] or ["--help"])
    except BeepyError as error:
        from beepy.cli import report  # noqa: PLC0415 - logging is not for --version

        return report.failure(error)
    except MemoryError as error:
        error.__traceback__ = None  # free the objects of its frames
        from beepy.cli import report  # noqa: PLC0415

        return report.failure(BeepyError("out of memory"))
    except TyperException as error:
        from beepy.cli import report  # noqa: PLC0415

        return report.usage(error)
    return code if isinstance(code, int) else 0


def _run(arguments: list[str]) -> object:
    app, program_name = _new_app(), "beepy"
    if arguments[0] in COMMANDS:  # an app of this command alone: the others need not be imported
        command, *arguments = arguments
        program_name = f"beepy {command}"
        app.command(command, cls=Command)(COMMANDS[command]())
    else:
        app.callback(cls=Group)(_group)
        for command, import_command in COMMANDS.items():
            app.command(command, cls=Command)(import_command())
    try:
        return app(args=arguments, prog_name=program_name, standalone_mode=False)
    except OSError as error:
        if isinstance(error, BeepyError):
            raise
        raise stdio.write_error(error) from error  # from help, which typer itself writes
