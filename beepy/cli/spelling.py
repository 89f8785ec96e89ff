"""Rewrite arguments as Go's flags take them to what typer's parser reads: ``--name=value``.

Go's short options take ``=`` like long ones (``-f=x``), and its flags take a value
(``--no-tty=false``, ``-v=0``). ``--fail-on-loss`` has a value only after ``=``. Long options that a
command does not have may be parameters of its images.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.text import safe

_BOOLEANS: Final = {  # strconv.ParseBool's
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), "true"),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), "false"),
}

OTHERS: Final = "--KEY"
"""The option that gets what may be parameters of images: ``--pid 7`` becomes ``--KEY=pid=7``."""


def is_parameter(name: str) -> bool:
    """Return whether an option is called as parameters may be."""
    return bool(re.fullmatch(r"--[A-Za-z_][\w.:-]*", name, re.ASCII))


BARE: Final[Mapping[str, str]] = {"--fail-on-loss": "lost"}
"""The options that take a value after ``=`` only, and the value that they have without."""


class Option(NamedTuple):
    """An option by its long name; a flag may be given without a value, which is then true."""

    name: str
    is_flag: bool


def canonical(
    arguments: Iterable[str], options: Mapping[str, Option], *, interspersed: bool = True
) -> list[str]:
    """Return ``arguments`` with each of ``options``, keyed by all their names, as ``--name=value``.

    Arguments after ``--`` are unchanged, without ``interspersed`` also those after the first
    operand. So are unknown options and those without their value: the parser refuses them. But if
    OTHERS is among ``options``, it gets the unknown long ones, as ``KEY=VALUE``, or ``KEY`` where
    no value follows. Raise UsageError for a flag's value that is neither true nor false.
    """
    rest = deque(arguments)
    rewritten: list[str] = []
    while rest:
        argument = rest.popleft()
        is_operand = argument == "-" or not argument.startswith("-")
        if argument == "--" or (is_operand and not interspersed):
            return [*rewritten, argument, *rest]
        if is_operand:
            rewritten.append(argument)
        elif argument.startswith("--"):
            rewritten.append(_long(argument, rest, options))
        else:
            rewritten += _short(argument, rest, options)
    return rewritten


def _long(argument: str, rest: deque[str], options: Mapping[str, Option]) -> str:
    name, equals, value = argument.partition("=")
    option = options.get(name)
    if OTHERS in options and (option is None or name == OTHERS):
        return _other(argument, rest)
    if option is None:
        return argument
    if option.is_flag:
        return f"{name}={_boolean(name, value)}" if equals else f"{name}=true"
    if option.name in BARE and not equals:
        return f"{name}={BARE[option.name]}"
    return argument if equals or not rest else f"{name}={rest.popleft()}"


def _other(argument: str, rest: deque[str]) -> str:
    """Return an unknown option with its value, unless the next argument is an option too."""
    name, equals, _ = argument.partition("=")
    if not is_parameter(name):
        return argument
    if not equals and rest and (rest[0][:1] != "-" or re.match(r"-\.?[0-9]", rest[0])):
        argument = f"{name}={rest.popleft()}"
    return f"{OTHERS}={argument[2:]}"


def _short(argument: str, rest: deque[str], options: Mapping[str, Option]) -> list[str]:
    """Rewrite the letters of ``-abc``; the first that takes a value takes the rest as its value."""
    rewritten: list[str] = []
    for index, letter in enumerate(argument[1:], 2):
        typed, value = f"-{letter}", argument[index:]
        option = options.get(typed)
        if option is None:
            return [*rewritten, typed]
        if option.is_flag and not value.startswith("="):
            rewritten.append(f"{option.name}=true")
            continue
        if value.startswith("="):
            value = value[1:]
        elif not value:
            if not rest:
                return [*rewritten, typed]
            value = rest.popleft()
        return [*rewritten, f"{option.name}={_boolean(typed, value) if option.is_flag else value}"]
    return rewritten


def _boolean(typed: str, value: str) -> str:
    try:
        return _BOOLEANS[value]
    except KeyError:
        raise UsageError(f"{typed} '{safe(value)}': expected true or false") from None
