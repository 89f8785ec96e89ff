"""The options of ``beepy init``."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Final

import typer

from beepy.cli import stdio
from beepy.cli.settings import Settings
from beepy.errors import UsageError
from beepy.text import safe
from beepy.toolchain import files, scaffold

_LANGUAGES: Final = ("C",)
_FILE: Final = "probe.c"


def _choice(option: str, names: Sequence[str]) -> Callable[[str], str]:
    """Return a parser that takes one of ``names``, or how only one begins, in any case.

    bee's menu has "File system", its help file-system.
    """

    def parse(text: str) -> str:
        letters = re.sub("[ -]", "", text.casefold())
        similar = [name for name in names if letters and name.casefold().startswith(letters)]
        if len(similar) != 1:
            raise UsageError(f"{option} '{safe(text)}': expected {' or '.join(names)}")
        return similar[0]

    return parse


def init(
    *,
    settings: Settings,
    program_type: Annotated[
        str | None,
        typer.Option(
            "--program-type",
            metavar=f"[{'|'.join(scaffold.PROGRAMS)}]",
            parser=_choice("--program-type", tuple(scaffold.PROGRAMS)),
            help="What it watches.",
        ),
    ] = None,
    map_type: Annotated[
        str | None,
        typer.Option(
            "--map",
            "-m",
            metavar=f"[{'|'.join(scaffold.MAPS)}]",
            parser=_choice("--map", scaffold.MAPS),
            help="Where it writes what it sees: each event, or a table.",
        ),
    ] = None,
    output_type: Annotated[
        str | None,
        typer.Option(
            "--output-type",
            "-o",
            metavar=f"[{'|'.join(scaffold.OUTPUTS)}]",
            parser=_choice("--output-type", scaffold.OUTPUTS),
            help="Rows alone, or a metric too.",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", metavar="FILE", help="The file to write."),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            "--language",
            "-l",
            metavar="C",
            parser=_choice("--language", _LANGUAGES),
            help="Always C.",
        ),
    ] = "C",
) -> None:
    """Write a first program in C; ask for what is not given."""
    del settings, language
    given = {
        "--program-type": program_type,
        "--map": map_type,
        "--output-type": output_type,
        "--file": file,
    }
    choices = {
        "--program-type": tuple(scaffold.PROGRAMS),
        "--map": scaffold.MAPS,
        "--output-type": scaffold.OUTPUTS,
        "--file": (_FILE,),
    }
    missing = [option for option, value in given.items() if value is None]
    if missing and not (sys.stdin and sys.stdin.isatty()):
        error = UsageError(f"init: no terminal to ask on: expected {', '.join(missing)}")
        words = [f"{option} {quote(given[option] or choices[option][0])}" for option in given]
        error.add_note(f"beepy init {' '.join(words)}")
        raise error
    answers = {
        option: value if value is not None else _ask(option, choices[option])
        for option, value in given.items()
    }
    path = Path(answers["--file"])
    text = scaffold.source(
        path, answers["--program-type"], answers["--map"], answers["--output-type"]
    )
    files.create(path, text.encode())
    stdio.write(f"{safe(str(path))}\n")


_QUESTIONS: Final = {
    "--program-type": "What does the program watch?",
    "--map": "Where does it write what it sees?",
    "--output-type": "What does beepy make of it?",
    "--file": "Which file is written?",
}


def _ask(option: str, choices: Sequence[str]) -> str:
    """Ask on the terminal until the answer is one of several ``choices``; the first is default.

    Raise UsageError at the end of the input.
    """
    listed = f" {', '.join(choices)}" if choices[1:] else ""
    while True:
        stdio.eprint(f"{_QUESTIONS[option]}{listed} [{choices[0]}]")
        line = sys.stdin.readline()
        if not line:
            raise UsageError(f"{option}: no answer")
        answer = line.strip() or choices[0]
        try:
            return _choice(option, choices)(answer) if choices[1:] else _new_file(answer)
        except UsageError as error:
            stdio.eprint(f"beepy: {error}")


def _new_file(text: str) -> str:
    """Return the name of a file that does not exist yet; raise UsageError for others."""
    if os.path.lexists(text):
        raise UsageError(f"{safe(text)}: file exists")
    return text
