"""The spellings that Go's flags take, written in the one that typer's parser reads: ``--name=value``.

A short option takes ``=`` as a long one does (``-f=x``), and a flag takes a value (``--no-tty=false``, ``-v=0``).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.text import safe

_BOOLEANS: Final = {  # strconv.ParseBool's
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), "true"),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), "false"),
}


class Option(NamedTuple):
    """An option's long name, and whether it is a flag: its value may be left out and is then true."""

    name: str
    is_flag: bool


def canonical(arguments: Iterable[str], options: Mapping[str, Option], *, interspersed: bool = True) -> list[str]:
    """Return ``arguments`` with each of ``options`` (by all their names) as ``--name=value``.

    What follows ``--`` stays as it is, and without ``interspersed`` what follows the first operand too. An unknown
    option, and one that lacks its value, are left for the parser to refuse. Raises UsageError for a flag's wrong value.
    """
    rest = deque(arguments)
    found: list[str] = []
    while rest:
        argument = rest.popleft()
        is_operand = argument == "-" or not argument.startswith("-")
        if argument == "--" or (is_operand and not interspersed):
            return [*found, argument, *rest]
        if is_operand:
            found.append(argument)
        elif argument.startswith("--"):
            found.append(_long(argument, rest, options))
        else:
            found += _short(argument, rest, options)
    return found


def _long(argument: str, rest: deque[str], options: Mapping[str, Option]) -> str:
    name, equals, value = argument.partition("=")
    option = options.get(name)
    if option is None:
        return argument
    if option.is_flag:
        return f"{name}={_boolean(name, value)}" if equals else f"{name}=true"
    return argument if equals or not rest else f"{name}={rest.popleft()}"


def _short(argument: str, rest: deque[str], options: Mapping[str, Option]) -> list[str]:
    """Read letters up to the first that takes what follows it as its value."""
    found: list[str] = []
    for index, letter in enumerate(argument[1:], 2):
        typed, value = f"-{letter}", argument[index:]
        option = options.get(typed)
        if option is None:
            return [*found, typed]
        if option.is_flag and not value.startswith("="):
            found.append(f"{option.name}=true")
            continue
        if value.startswith("="):
            value = value[1:]
        elif not value:
            if not rest:
                return [*found, typed]
            value = rest.popleft()
        return [*found, f"{option.name}={_boolean(typed, value) if option.is_flag else value}"]
    return found


def _boolean(typed: str, value: str) -> str:
    try:
        return _BOOLEANS[value]
    except KeyError:
        raise UsageError(f"{typed} '{safe(value)}': expected true or false") from None
