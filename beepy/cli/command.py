"""Commands that parse arguments as Go's flags, and write plain help with sections."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from beepy.cli import panels
from beepy.cli.spelling import Option, canonical
from beepy.errors import UsageError
from beepy.text import safe

_Context: TypeAlias = Any  # the classes of these three are private to typer
_Parser: TypeAlias = Any
_Formatter: TypeAlias = Any


_DOCKERS: Final = {"images": "list", "remove": "rm", "delete": "rm", "import": "load"}
"""Words of docker and its relatives, where ``difflib`` sees no likeness."""


class Command(TyperCommand):
    """A command such as ``beepy run``."""

    def make_parser(self, ctx: _Context) -> _Parser:
        """Return a parser that takes flags with a value, as ``canonical`` writes them."""
        return _with_flag_values(super().make_parser(ctx), _options(self.get_params(ctx)))

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Parse all spellings that Go's flags take. Raise UsageError for unexpected arguments."""
        ctx.allow_extra_args = True  # they are refused below, in our words
        try:
            rest = super().parse_args(ctx, canonical(args, _names(_options(self.get_params(ctx)))))
        except TyperException as error:
            if getattr(error, "ctx", ctx) is None:  # an option lacks its value: click forgot it
                error.ctx = ctx  # type: ignore[attr-defined]  # report.usage reads it
            raise
        if rest:
            listed = ", ".join([f"'{safe(argument)}'" for argument in rest])
            unexpected = UsageError(
                f"{self.name}: unexpected argument{'s' if rest[1:] else ''} {listed}"
            )
            unexpected.add_note(f"{ctx.command_path} --help")
            raise unexpected
        return rest

    def collect_usage_pieces(self, ctx: _Context) -> list[str]:
        """Return arguments as in man pages, without typer's braces."""
        del ctx
        return ["[OPTIONS]", *[argument.human_readable_name for argument in _arguments(self)]]

    def format_options(self, ctx: _Context, formatter: _Formatter) -> None:
        """Write the arguments, then the options by section."""
        if arguments := _arguments(self):
            with formatter.section("Arguments"):
                formatter.write_dl(
                    [(argument.human_readable_name, argument.help or "") for argument in arguments]
                )
        _write_panels(_options(self.get_params(ctx)), ctx, formatter)

    def format_epilog(self, ctx: _Context, formatter: _Formatter) -> None:
        """Write the examples."""
        _write_examples(self.name or "", formatter)
        del ctx


class Group(TyperGroup):
    """The command ``beepy`` with its subcommands."""

    def make_parser(self, ctx: _Context) -> _Parser:
        """Return a parser that takes flags with a value, as ``canonical`` writes them."""
        return _with_flag_values(super().make_parser(ctx), _options(self.get_params(ctx)))

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Parse the options before the command's name; the rest is for the command."""
        return super().parse_args(
            ctx, canonical(args, _names(_options(self.get_params(ctx))), interspersed=False)
        )

    def resolve_command(self, ctx: _Context, args: list[str]) -> Any:  # noqa: ANN401 - with a class private to typer
        """Return the command; ``help COMMAND`` is ``COMMAND --help``.

        Raise UsageError, with what to type, for a command of bee that beepy lacks.
        """
        if args[0] == "help":
            if not args[1:]:
                typer.echo(ctx.get_help())
                ctx.exit()
            args = [*args[1:], "--help"]
        if args[0] not in self.commands:
            _refuse(args[0])
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: _Context, formatter: _Formatter) -> None:
        """Write the commands, and the options that all of them take."""
        _write_commands(self.commands.items(), formatter)
        general = [
            option
            for option in _options(self.get_params(ctx))
            if _panel(option) != panels.REGISTRIES
        ]
        _write_panels(general, ctx, formatter)

    def format_epilog(self, ctx: _Context, formatter: _Formatter) -> None:
        """Write the examples."""
        _write_examples("", formatter)
        del ctx


def _options(parameters: Iterable[object]) -> list[TyperOption]:
    return [parameter for parameter in parameters if isinstance(parameter, TyperOption)]


def _names(options: Iterable[TyperOption]) -> dict[str, Option]:
    return {
        name: Option(max(option.opts, key=len), option.is_flag)
        for option in options
        for name in option.opts
    }


def _with_flag_values(parser: _Parser, options: Iterable[TyperOption]) -> _Parser:
    for option in options:
        if option.is_flag:
            parser.add_option(obj=option, opts=option.opts, dest=option.name)
    return parser


def _refuse(command: str) -> None:
    """Raise UsageError for a bundled image's name, or docker's name of a command."""
    from beepy.oci.lookup import bundled_store  # noqa: PLC0415 - only on the way to an error

    meant = f"run {command}" if bundled_store().named(command) else _DOCKERS.get(command)
    if meant:
        error = UsageError(f"no such command '{command}'")
        error.add_note(f"beepy {meant}")
        raise error


def _arguments(command: TyperCommand) -> list[TyperArgument]:
    return [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]


def _panel(option: TyperOption) -> str:
    # typer makes --help, so it has no panel
    default = panels.GENERAL if option.name in {"help", "version"} else panels.OPTIONS
    return option.rich_help_panel or default


def _write_commands(commands: Iterable[tuple[str, Any]], formatter: _Formatter) -> None:
    width = max([len(name) for name, _ in commands])
    for panel in panels.COMMANDS:
        with formatter.section(panel):
            formatter.write_dl(
                [
                    (name.ljust(width), command.get_short_help_str(formatter.width - 6 - width))
                    for name, command in commands
                    if command.rich_help_panel == panel
                ]
            )


def _write_panels(options: Iterable[TyperOption], context: _Context, formatter: _Formatter) -> None:
    sections: dict[str, list[tuple[str, str]]] = {panel: [] for panel in panels.ORDER}
    for option in options:
        if record := option.get_help_record(context):
            sections[_panel(option)].append(record)
    for panel, records in sections.items():
        if records:
            with formatter.section(panel):
                formatter.write_dl(records)


def _write_examples(command: str, formatter: _Formatter) -> None:
    from beepy.cli.examples import EXAMPLES  # noqa: PLC0415 - only help has them

    with formatter.section("Examples"):
        for line in EXAMPLES[command]:
            formatter.write(f"  {line}\n")
