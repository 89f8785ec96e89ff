"""What LLVM's tools read from objects: sections, symbols, code, CO-RE; one run for many files."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

_SECTION = re.compile(
    r"^  \[ *\d+\] (?P<name>.*?) +[A-Z_]+ +[0-9a-f]{16} [0-9a-f]+ (?P<size>[0-9a-f]+) ",
    re.MULTILINE,
)
_SYMBOL = re.compile(
    r"^ +\d+: (?P<value>[0-9a-f]{16}) +(?P<size>\d+) "
    r"(?P<type>\w+) +(?P<bind>\w+) +(?P<visibility>\w+) +"
    r"(?P<section>\w+) ?(?P<name>.*)$",
    re.MULTILINE,
)
_DISASSEMBLY = re.compile(r"^Disassembly of section (?P<name>.*):$")
_CODE = re.compile(r"^ +(?P<at>\d+):\t(?P<bytes>(?:[0-9a-f]{2}[ \t])+)")
_CORE = re.compile(
    r"^\t\t(?P<at>[0-9a-f]+):  CO-RE <(?P<kind>\w+)> "
    r"\[(?P<type>\d+)\] .*?(?: \((?P<access>[\d:]+)\))?$"
)


class Symbol(NamedTuple):
    """A symbol, in llvm-readelf's words; a section's has its section's name."""

    value: int
    size: int
    type: str
    bind: str
    visibility: str
    section: str
    name: str


class Record(NamedTuple):
    """A CO-RE record; ``access`` is None where LLVM shows none (types, enumerators)."""

    kind: str
    type: int
    access: str | None


def missing(tool: str) -> str:
    """Return the tool's name if it is not installed, else ""."""
    return "" if shutil.which(tool) else tool


@cache
def core_objdump() -> str:
    """Return an llvm-objdump that shows CO-RE records (17 or newer), "" if there is none."""
    names = ["llvm-objdump", *(f"llvm-objdump-{version}" for version in range(17, 23))]
    for name in filter(shutil.which, names):
        version = re.search(r"version (\d+)", _run(name, "--version"))
        if version and int(version[1]) >= 17:
            return name
    return ""


def sections(paths: Sequence[Path]) -> dict[Path, list[tuple[str, int]]]:
    """Return name and size of every section but the first."""
    return {path: _sections(text) for path, text in _readelf("-S", tuple(paths)).items()}


def symbols(paths: Sequence[Path]) -> dict[Path, list[Symbol]]:
    """Return every symbol but the first."""
    return {path: _symbols(text) for path, text in _readelf("-s", tuple(paths)).items()}


def code(paths: Sequence[Path]) -> dict[Path, dict[str, bytes]]:
    """Return the bytes of every section of code as they are disassembled."""
    return {path: _code(lines) for path, lines in _disassembly("llvm-objdump", "-d", paths)}


def core(paths: Sequence[Path], tool: str) -> dict[Path, dict[tuple[str, int], Record]]:
    """Return all CO-RE records by (section, offset); ``tool``: an llvm-objdump of 17 or newer."""
    return {path: _core(lines) for path, lines in _disassembly(tool, "-dr", paths)}


def _sections(text: str) -> list[tuple[str, int]]:
    return [(found["name"].strip(), int(found["size"], 16)) for found in _SECTION.finditer(text)][
        1:
    ]


def _symbols(text: str) -> list[Symbol]:
    return [
        Symbol(
            int(one["value"], 16),
            int(one["size"]),
            one["type"],
            one["bind"],
            one["visibility"],
            one["section"],
            one["name"],
        )
        for one in _SYMBOL.finditer(text)
    ][1:]


def _code(lines: Iterator[tuple[str, str]]) -> dict[str, bytes]:
    found: dict[str, bytearray] = {}
    for section, line in lines:
        if match := _CODE.match(line):
            content = found.setdefault(section, bytearray())
            assert len(content) == int(match["at"]) * 8
            content += bytes.fromhex(match["bytes"])
    return {name: bytes(content) for name, content in found.items()}


def _core(lines: Iterator[tuple[str, str]]) -> dict[tuple[str, int], Record]:
    found = {}
    for section, line in lines:
        if match := _CORE.match(line):
            found[section, int(match["at"], 16)] = Record(
                match["kind"], int(match["type"]), match["access"]
            )
    return found


@cache
def _readelf(option: str, paths: tuple[Path, ...]) -> dict[Path, str]:
    # It prints no name if there is only one file.
    told = _run("llvm-readelf", option, "-W", *map(str, paths), str(paths[0]))
    return {Path(text.partition("\n")[0]): text for text in told.split("\nFile: ")[1:]}


def _disassembly(
    tool: str, option: str, paths: Sequence[Path]
) -> Iterator[tuple[Path, Iterator[tuple[str, str]]]]:
    """Yield each file with its lines and their sections."""
    for text in re.split(
        r"^(?=/.*:\tfile format )", _run(tool, option, *map(str, paths)), flags=re.MULTILINE
    )[1:]:
        name, _, rest = text.partition(":\tfile format ")
        yield Path(name), _lines(rest)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    section = ""
    for line in text.splitlines():
        if match := _DISASSEMBLY.match(line):
            section = match["name"]
        yield section, line


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
