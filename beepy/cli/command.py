"""How commands take their arguments and show their help: click's classes, changed in these two points."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from typer.core import TyperCommand, TyperGroup, TyperOption

from beepy.cli.spelling import Option, canonical

_Context: TypeAlias = Any  # this class and the next are private to typer
_Parser: TypeAlias = Any


class Command(TyperCommand):
    """One command."""

    def make_parser(self, ctx: _Context) -> _Parser:
        """Return a parser to which flags are options with a value."""
        return _valued(super().make_parser(ctx), _options(self.get_params(ctx)))

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Take every spelling that Go's flags take."""
        return super().parse_args(ctx, canonical(args, _names(_options(self.get_params(ctx)))))


class Group(TyperGroup):
    """The command ``beepy`` itself."""

    def make_parser(self, ctx: _Context) -> _Parser:
        """Return a parser to which flags are options with a value."""
        return _valued(super().make_parser(ctx), _options(self.get_params(ctx)))

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Take every spelling that Go's flags take; what follows the command's name is the command's."""
        return super().parse_args(ctx, canonical(args, _names(_options(self.get_params(ctx))), interspersed=False))


def _options(parameters: Iterable[object]) -> list[TyperOption]:
    return [parameter for parameter in parameters if isinstance(parameter, TyperOption)]


def _names(options: Iterable[TyperOption]) -> dict[str, Option]:
    return {name: Option(max(one.opts, key=len), one.is_flag) for one in options for name in one.opts}


def _valued(parser: _Parser, options: Iterable[TyperOption]) -> _Parser:
    for option in options:
        if option.is_flag:
            parser.add_option(obj=option, opts=option.opts, dest=option.name)
    return parser
