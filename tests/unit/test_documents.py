"""The documents list all flags, commands, images and layers, and no others; their links work."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import beepy as package
from beepy.analysis.describe import describe
from beepy.analysis.description import Description
from beepy.cli import app
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from tests.support.command import ROOT, Beepy

CLI = (ROOT / "docs" / "cli.md").read_text()
README = (ROOT / "README.md").read_text()
_NOT_OURS = {
    ".git",
    ".venv",
    "build",
    "dist",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
}
PAGES = [
    path
    for directory in (".", "docs", "bpf", "benchmarks")
    for path in sorted((ROOT / directory).glob("*.md"))
]
COMMANDS = tuple(app.COMMANDS)
BUNDLED = bundled_store().names()
SOME_REGISTRY_OPTIONS = {
    "login": {
        *("-u", "--username", "-p", "--password", "--config-dir"),
        *("--insecure", "--plain-http", "--ca-file"),
    },
    "logout": {"--config-dir"},
    **{
        key: {"--config-dir"}
        for key in ("list", "tag", "rm", "prune", "save", "load", "build", "mcp")
    },
}

_LISTED = re.compile(r"^  (?:(-\w), )?(--[a-z-]+)(?:, (--[a-z-]+))?", re.MULTILINE)
_FLAG = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_DRAWING = re.compile(r"^```\n.*?^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`((?:\w+/)*\w+\.(?:py|md|bpf\.c))`")
_WRONG_INSTALL = re.compile(rb"""\b(?:install|uvx|uv add)(?: +-\S+)* +["'`]?beepy(?!-ebpf)""")
_COMMAND = re.compile(r"\bbeepy (?:-v )?([a-z]+)")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the flags, long and short, in the help of each command; "" has the global ones."""
    beepy = Beepy(tmp_path_factory.mktemp("home"), {"COLUMNS": "200"})
    return {command: _flags(beepy, command) for command in ("", *COMMANDS)}


def _flags(beepy: Beepy, command: str) -> set[str]:
    done = beepy(*command.split(), "--help")
    assert done.code == 0
    return {flag for pair in _LISTED.findall(done.out) for flag in pair if flag}


def section(title: str) -> str:
    """Return the text below a heading of docs/cli.md, up to the next of its level."""
    _, heading, rest = CLI.partition(f"\n## {title}\n")
    assert heading, f"docs/cli.md has no section {title}"
    return rest.partition("\n## ")[0]


def tabled(text: str) -> set[str]:
    """Return the flags in the first column of the tables with the heading ``option``."""
    tables = re.findall(r"^\| option \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = [line.split(" | ")[0] for table in tables for line in table.splitlines()]
    return {flag for cell in cells for flag in re.findall(r"`(--?[a-z-]+)", cell)}


def description_of(name: str) -> Description:
    image = bundled_store().get(name)
    return describe(image, parse(image))


def page(name: str) -> str:
    return (
        ROOT / "bpf" / f"{'exitsnoop' if name.startswith('exitsnoop') else name}.md"
    ).read_text()


def test_the_global_options_are_those_of_the_help(flags: dict[str, set[str]]) -> None:
    assert tabled(section("Global options")) == flags[""]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_those_of_its_help(
    flags: dict[str, set[str]], command: str
) -> None:
    registries = tabled(section("Registry options"))
    assert flags[command] & registries == (
        registries
        if command in {"run", "describe", "inspect", "pull", "push", "verify", "package"}
        else SOME_REGISTRY_OPTIONS.get(command, set())
    )
    assert tabled(section(f"beepy {command}")) == flags[command] - flags[""] - registries


def test_every_option_has_an_example(flags: dict[str, set[str]]) -> None:
    shown: set[str] = set()
    for part in CLI.split("\n## "):  # a letter may mean something else in another section
        examples = "\n".join(re.findall(r"```console\n(.*?)```", part, re.DOTALL))
        commands = "\n".join(re.findall(r"^[#$] (.*)$", examples, re.MULTILINE))
        used = set(re.findall(r"(?<=\s)--?[a-z-]+(?=\s|$)", commands))
        short = dict(re.findall(r"`(-\w)`, `(--[a-z-]+)", part))
        shown |= used | {short[flag] for flag in used & short.keys()}
    assert {flag for flag in set[str]().union(*flags.values()) if flag.startswith("--")} - shown - {
        "--help"
    } == set()


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.parent.name != "benchmarks"], ids=_name
)
def test_documents_name_no_unknown_flag(flags: dict[str, set[str]], path: Path) -> None:
    text = _DRAWING.sub("", path.read_text())
    assert set(_FLAG.findall(text)) - set[str]().union(*flags.values()) == set()


def test_documents_name_no_unknown_command() -> None:
    for text in (
        CLI,
        README,
        *[path.read_text() for path in (ROOT / "bpf").glob("*.md")],
    ):
        consoles = "\n".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL))
        lines = re.findall(r"^[#$] (.*)$", consoles, re.MULTILINE)
        assert {name for line in lines for name in _COMMAND.findall(line)} <= set(COMMANDS)
    assert all(f"`beepy {command}`" in README for command in COMMANDS)


def test_the_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"(?:^|`)(?:sudo )?make ([a-z]+)", README, re.MULTILINE)
    assert {"run", "test", "soak", "peers", "check"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_commands_to_paste_have_no_prompt() -> None:
    """A shell takes a line that begins with ``#`` for a comment."""
    assert not re.search(r"^# (?:sudo|make|beepy|pipx) ", README, re.MULTILINE)


def test_the_readmes_screen_is_80_columns_wide() -> None:
    (screen,) = re.findall(r"```console\n(\$ .*?)```", README, re.DOTALL)
    assert max(map(len, screen.splitlines())) <= 80


def test_the_readme_does_not_begin_with_bumblebee() -> None:
    assert "umble" not in README.partition("\n## Why")[0].replace("ghcr.io/solo-io/bumblebee", "")


def test_the_readme_lists_every_bundled_image_and_no_other() -> None:
    table = README.partition("\n## Bundled images\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z-]+)`", table)) == set(BUNDLED)


def test_no_file_says_to_install_another_project() -> None:
    """On PyPI the name of our command belongs to another project."""
    paths = [path for path in ROOT.rglob("*") if path.is_file()]
    ours = [path for path in paths if not _NOT_OURS & set(path.relative_to(ROOT).parts)]
    assert len(ours) > 300
    assert [_name(path) for path in ours if _WRONG_INSTALL.search(path.read_bytes())] == []
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == "beepy-ebpf"


def test_the_readmes_example_uses_public_names() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(example, "README.md", "exec")
    names = re.findall(r"beepy\.(\w+)", example)
    assert names
    assert set(names) <= set(package.__all__)


def test_the_python_page_has_every_argument_and_no_other_name() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    table = text.partition("| argument | |\n")[2].partition("\n\n")[0]
    named = [
        name
        for row in table.splitlines()
        for name in re.findall(r"`\*?(\w+)`", row.split(" | ")[0])
    ]
    assert sorted(named) == sorted(inspect.signature(package.open).parameters)
    assert set(re.findall(r"\bbeepy\.(\w+)", text)) <= set(package.__all__)
    used = set(re.findall(r"\brun\.(\w+)", text)) | {
        "add_observer",
        "add_stage",
        "add_resources",
        "source",
        "snapshot",
    }
    public = {name for name in dir(package.Run) if not name.startswith("_")}
    assert public - {"schemas", "reader_gone"} - used == set()


def test_the_commands_of_the_readmes_questions_fit_the_images() -> None:
    rows = re.findall(r"^\| [^|]+\? \| `sudo beepy run ([a-z]+)(.*)` \|$", README, re.MULTILINE)
    assert len(rows) > 10
    for name, options in rows:
        image = description_of(name)
        assert set(re.findall(r"--set (\w+)=", options)) <= {
            variable.name for variable in image.variables
        }
        fields = {field.name for info in image.maps if info.role for field in info.fields}
        assert set(re.findall(r"-f '(\w+),\^", options)) <= fields


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("name", BUNDLED)
def test_the_page_of_an_image_is_complete(name: str) -> None:
    text = page(name)
    image = description_of(name)
    maps = [info for info in image.maps if info.role]
    names = [
        *[program.section for program in image.programs],
        *[variable.name for variable in image.variables],
        *[info.name for info in maps],
        *[field.name for info in maps for field in info.fields],
        *[info.metric for info in image.maps if info.metric],
    ]
    assert [known for known in names if f"`{known}`" not in text] == []
    assert name in text
    assert f"Kernel: {image.needs.kernel} or newer" in text


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_links_have_a_target(path: Path) -> None:
    links = [link for link in _LINK.findall(path.read_text()) if not re.match("[a-z]+:", link)]
    assert [link for link in links if not (path.parent / link.partition("#")[0]).exists()] == []


def test_the_documented_layers_are_those_of_import_linter() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert (
        "\n```\n{}\n```\n".format("\n".join(layers))
        in (ROOT / "docs" / "architecture.md").read_text()
    )


def test_the_architecture_page_names_files_that_exist() -> None:
    named = set(_PATH.findall((ROOT / "docs" / "architecture.md").read_text()))
    places = (ROOT, ROOT / "beepy", ROOT / "tests" / "vm")
    assert [
        name
        for name in named
        if "NAME" not in name and not any((place / name).exists() for place in places)
    ] == []
    assert len(named) > 20
