"""What the scripts of ``beepy completion`` ask: the words that may stand at the cursor.

The answer is one word a line, followed by a tab and its description; or ``:files`` or ``:dirs``,
for names that the shell completes itself. Only local stores and settings are read. What cannot be
read gives no words, and no message: the user is typing.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import typer
from typer.core import TyperArgument, TyperOption

from beepy import log, outputs
from beepy.cli import app, stdio
from beepy.cli.spelling import Option, canonical
from beepy.errors import BeepyError
from beepy.oci import lookup, registries
from beepy.oci.options import Options
from beepy.oci.reference import has_host, is_reference

Answers: TypeAlias = list[tuple[str, str]]
"""Words, each with a description, "" for none."""

_FILES: Final[Answers] = [(":files", "")]
_DIRECTORIES: Final[Answers] = [(":dirs", "")]
_CURSOR: Final = "\x01"
_CHOICES: Final = re.compile(r"\[([\w-]+(?:\|[\w-]+)+)\]")


def main(arguments: Sequence[str]) -> int:
    """Answer ``line LINE``, a command line up to the cursor, or ``words WORD...``.

    The last of the words is the one at the cursor; the program's name is not among them.
    """
    log.set_warning_handler(lambda _: None)
    with suppress(BeepyError, OSError):
        form, *words = arguments or [""]
        if form == "line":
            words = _split(" ".join(words))
        if words:
            answers = candidates(words[:-1], words[-1])
            stdio.write("".join([f"{word}\t{text}".rstrip("\t") + "\n" for word, text in answers]))
    return 0


def _split(line: str) -> list[str]:
    """Return the words of a command line, which may end in an open quote, but the first."""
    for quote in ("", '"', "'"):
        with suppress(ValueError):
            words = shlex.split(f"{line}{_CURSOR}{quote}")
            return [word.replace(_CURSOR, "") for word in words[1:]]
    return []


_BUNDLED: Final = "bundled"


class _Command(NamedTuple):
    """What a command takes; ``options`` are by each of their names."""

    options: Mapping[str, TyperOption]
    arguments: Sequence[TyperArgument]


class _Line(NamedTuple):
    """Words that were parsed; ``given`` has values by the options' long names.

    ``pending`` is an option whose value comes next, ``is_ended`` says that options have ended.
    """

    given: Mapping[str, str]
    operands: Sequence[str]
    pending: str
    is_ended: bool


def candidates(words: Sequence[str], word: str) -> Answers:
    """Return the words that begin with ``word`` and may come after ``words``."""
    command = _command(app.group_app(()))
    line = _parse(words, command, interspersed=False)
    if not line.operands:
        if line.pending or word.startswith("-"):
            return _of_options(command, line, line.given, word)
        return _matching(_commands(), word)
    name, *rest = line.operands
    if name == "help":
        return [] if rest else _matching(_commands(), word)
    if name not in app.COMMANDS:
        return []
    command, group = _command(app.command_app(name)), line
    line = _parse(rest, command)
    given = {**group.given, **line.given}
    if line.pending or (word.startswith("-") and not line.is_ended):
        return _of_options(command, line, given, word)
    answers = _of_arguments(command.arguments, line.operands, given, word)
    if name == "rm":  # bundled images cannot be removed
        answers = [(answer, text) for answer, text in answers if text != _BUNDLED]
    return answers


def _command(application: typer.Typer) -> _Command:
    command = typer.main.get_command(application)
    parameters = command.get_params(typer.Context(command, **command.context_settings))
    options = [parameter for parameter in parameters if isinstance(parameter, TyperOption)]
    return _Command(
        {name: option for option in options if not option.hidden for name in option.opts},
        [parameter for parameter in parameters if isinstance(parameter, TyperArgument)],
    )


def _parse(words: Iterable[str], command: _Command, *, interspersed: bool = True) -> _Line:
    names = {
        name: Option(max(option.opts, key=len), option.is_flag)
        for name, option in command.options.items()
    }
    given: dict[str, str] = {}
    operands: list[str] = []
    pending = ""
    items = canonical(words, names, interspersed=interspersed)
    for index, item in enumerate(items):
        if item == "--":
            return _Line(given, [*operands, *items[index + 1 :]], "", is_ended=True)
        if item == "-" or not item.startswith("-"):
            operands.append(item)
            if not interspersed:
                return _Line(given, items[index:], "", is_ended=False)
            continue
        name, equals, value = item.partition("=")
        if equals:
            given[name] = value
        elif name in names:  # only the last item can lack its value
            pending = name
    return _Line(given, operands, pending, is_ended=False)


def _of_options(command: _Command, line: _Line, given: Mapping[str, str], word: str) -> Answers:
    """Return values of an option, or names of options."""
    if line.pending:
        return _values(command.options[line.pending], word, given)
    name, equals, value = word.partition("=")
    if equals and name in command.options:
        answers = _values(command.options[name], value, given)
        if answers in (_FILES, _DIRECTORIES):
            return answers
        return [(f"{name}={answer}", text) for answer, text in answers]
    names = {
        name: option.help or ""
        for name, option in command.options.items()
        if option.multiple or max(option.opts, key=len) not in line.given
    }
    return _matching(names, word)


def _of_arguments(
    arguments: Sequence[TyperArgument],
    operands: Sequence[str],
    given: Mapping[str, str],
    word: str,
) -> Answers:
    """Return what the next operand may be; an argument that may be repeated is the last one."""
    remaining = [*arguments[len(operands) :], *[last for last in arguments[-1:] if last.nargs < 0]]
    answers = _values(remaining[0], word, given) if remaining else []
    return [(answer, text) for answer, text in answers if answer not in operands]


def _values(parameter: TyperOption | TyperArgument, word: str, given: Mapping[str, str]) -> Answers:
    """Return the values that a parameter may have, by its type or its name in the help."""
    metavar = parameter.metavar or ""
    choices = getattr(parameter.type, "choices", ())
    if match := _CHOICES.fullmatch(metavar):
        choices = match[1].split("|")
    if choices:
        return _matching(dict.fromkeys(map(str, choices), ""), word)
    kind = metavar.strip("[].")
    if kind in ("FILE", "DIR"):
        return _FILES if kind == "FILE" else _DIRECTORIES
    return _KINDS[kind](word, _options(given)) if kind in _KINDS else []


def _options(given: Mapping[str, str]) -> Options:
    """Return the options that say where images and settings are."""
    settings = _command(app.group_app(())).options

    def path(name: str) -> Path | None:
        value = given.get(name) or os.environ.get(str(settings[name].envvar))
        return Path(value) if value else None

    return Options(storage=path("--storage"), config_dir=path("--config-dir"))


def _commands() -> dict[str, str]:
    group = typer.main.get_command(app.group_app())
    assert isinstance(group, typer.core.TyperGroup)
    names = {name: command.get_short_help_str(80) for name, command in group.commands.items()}
    return {**names, "help": "Show the help of a command."}


def _matching(words: Mapping[str, str], beginning: str) -> Answers:
    return [(word, text) for word, text in words.items() if word.startswith(beginning)]


def _images(word: str, options: Options) -> Answers:
    """Return references that ``run`` takes, or files if there are none that match."""
    if word.startswith((".", "/", "~")):
        return _FILES
    names = _stored(options)
    if "@" in word:
        names = _digests(word.partition("@")[0], options)
    else:
        bundled = dict.fromkeys(lookup.bundled_store().names(), _BUNDLED)
        names = {**_aliases(options), **bundled, **names}
    return _matching(names, word) or _FILES


def _stored(options: Options) -> dict[str, str]:
    """Return the names in the local stores; no shell needs quotes for a valid reference."""
    names: dict[str, str] = {}
    for store in lookup.stores(options):
        with suppress(BeepyError):
            names |= dict.fromkeys(filter(is_reference, store.names()), "stored")
    return names


def _aliases(options: Options) -> dict[str, str]:
    with suppress(BeepyError):
        aliases = registries.read(options).aliases
        return {name: f"alias of {target}" for name, target in aliases.items()}
    return {}


def _digests(name: str, options: Options) -> dict[str, str]:
    """Return a local image's name with its digest."""
    for store in (*lookup.stores(options), lookup.bundled_store()):
        with suppress(BeepyError):
            if stored := store.find(name):
                return {f"{name}@{stored[1].digest}": "stored"}
    return {}


def _references(word: str, options: Options) -> Answers:
    return _matching(_stored(options), word)


def _registries(word: str, options: Options) -> Answers:
    names = [name.partition("/")[0] for name in _stored(options) if has_host(name)]
    return _matching(dict.fromkeys(names, ""), word)


def _outputs(word: str, _options: Options) -> Answers:
    """Return the names of outputs, or files if there are none that match."""
    return _matching(dict.fromkeys(outputs.TABLE, ""), word) or _FILES


_KINDS: Final[Mapping[str, Callable[[str, Options], Answers]]] = {
    "IMAGE": _images,
    "OUTPUT": _outputs,
    "SOURCE": _images,
    "REF": _references,
    "TARGET": _references,
    "SERVER": _registries,
}
"""What an argument is called in the help -> its values."""
