"""Messages name options on the command line, and arguments in Python: no option is forgotten."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import beepy
from beepy.cli import app, report
from beepy.errors import BeepyError, KernelError, UsageError, typed, worded
from beepy.wording import COMMAND_LINE_ALONE, KEYWORDS, in_python

PACKAGE = Path(beepy.__file__).parent
FLAG = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")


def options() -> set[str]:
    """Every long option of every command."""
    found = set()
    for name in app.COMMANDS:
        alone = app._new_app()
        alone.command(name)(app.COMMANDS[name].load(name))
        found |= {
            flag for one in get_command(alone).params for flag in one.opts if flag.startswith("--")
        }
    return found


# Modules that only the command line uses, or functions that read what was typed.
TYPED = {"outputs/metric_options.py", "outputs/metrics_server.py", "outputs/columns/grid.py"}
READERS = {"collection/targets.py": "parse", "events/variables.py": "settings"}


def texts(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield every text in a piece of code, with x for what is put in."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one, one.value
        elif isinstance(one, ast.JoinedStr):
            parts = [
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in one.values
            ]
            yield one, "".join(parts)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def raised_with_options(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts with an option in exceptions, but for notes and arguments of ``worded``."""
    tree = ast.parse(path.read_text())
    reader = READERS.get(str(path.relative_to(PACKAGE)))
    skipped: list[ast.AST] = [
        one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name == reader
    ]
    skipped += [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and called(one) in {"worded", "add_note"}
    ]
    inside = {id(one) for call in skipped for one in ast.walk(call)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and id(node) not in inside
            and re.search("Error|NotFound|NotSupp", called(node))
        ):
            yield from [
                (node.lineno, text)
                for one, text in texts(node)
                if FLAG.search(text) and id(one) not in inside
            ]


def test_every_option_has_a_keyword_or_is_the_command_lines_alone() -> None:
    assert options() == {
        flag for flag in (*KEYWORDS, *COMMAND_LINE_ALONE) if flag not in {"--help", "--version"}
    }
    assert not COMMAND_LINE_ALONE & set(KEYWORDS)


def test_the_keywords_are_those_of_the_functions() -> None:
    known = {*inspect.signature(beepy.open).parameters, "check", "relocations"}
    assert {template.partition("=")[0] for template in KEYWORDS.values()} <= known
    for template in KEYWORDS.values():
        if inner := re.search(r"(Options|Pins|Signer)\((\w+)=", template):
            assert inner[2] in getattr(beepy, inner[1])._fields


@pytest.mark.parametrize(
    ("text", "python"),
    [
        (
            "--iface NAME or --attach count=NAME; there are lo",
            'iface="NAME" or targets={"count": "NAME"}; there are lo',
        ),
        (
            "beepy run exitsnoop --set target_pid=7",
            'beepy.run("exitsnoop", variables={"target_pid": 7})',
        ),
        ("beepy run 'a b' c --set x=y", 'beepy.run("a b", "c", variables={"x": "y"})'),
        ("beepy pull ghcr.io/a/b:1", 'beepy.pull("ghcr.io/a/b:1")'),
        ("beepy list shows the images", "beepy.images() shows the images"),
        (
            "beepy list --storage dir shows its images; run takes --storage too",
            (
                'beepy.images(options=Options(storage="dir")) shows its images; '
                "run takes options.storage too"
            ),
        ),
        ("the others run alone: --prog a --prog b", 'the others run alone: programs=["a", "b"]'),
        ("--prog a runs that one alone", 'programs=["a"] runs that one alone'),
        ("say where: --attach p=libc.so.6:getenv", 'say where: targets={"p": "libc.so.6:getenv"}'),
        ("--pid PID --attach p=PORT, of a socket", 'pid=PID targets={"p": "PORT"}, of a socket'),
        ("expected BINARY:FUNCTION, --binary or --pid", "expected BINARY:FUNCTION, binary or pid"),
        ("--prog 'x': no program has that name", "programs 'x': no program has that name"),
        ("--pid: exitsnoop: no program takes it", "pid: exitsnoop: no program takes it"),
        ("--attach: program 'x': there is only y", "targets: program 'x': there is only y"),
        ("no registry may be asked (--pull never)", 'no registry may be asked (pull="never")'),
        ("-f print_exits,comm,x", 'filters="print_exits,comm,x"'),
        ("-f 'comm,^a b$'", 'filters="comm,^a b$"'),
        (
            "--plain-http speaks HTTP without TLS",
            "options=Options(plain_http=True) speaks HTTP without TLS",
        ),
        ("--btf FILE gives them: BTF", 'btf="FILE" gives them: BTF'),
        ("--pin-maps /sys/fs/bpf/x then uses it", 'pins=Pins(maps="/sys/fs/bpf/x") then uses it'),
        (
            "read from -u and -p, from -c FILE, and from others",
            (
                "read from options.username and options.password, "
                'from options=Options(configs=["FILE"]), and from others'
            ),
        ),
        ("clang -target bpf -g -O2 -c a.c -o a.o", "clang -target bpf -g -O2 -c a.c -o a.o"),
        ("ls --sort of -c", "ls --sort of -c"),
        ("beepy pull it's", "beepy pull it's"),
        ("--prom-port chooses another port", "--prom-port chooses another port"),
    ],
)
def test_both_wordings(text: str, python: str) -> None:
    assert in_python(text) == python
    error = UsageError(worded(text))
    error.add_note(text)
    assert (str(error), error.__notes__) == (python, [python])
    assert (typed(error), [typed(note) for note in error.__notes__]) == (text, [text])


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_exception_has_an_option_that_python_would_see(path: Path) -> None:
    """``add_note`` translates notes, ``worded`` messages; the command line needs neither."""
    name = str(path.relative_to(PACKAGE))
    if not name.startswith("cli/") and name not in TYPED:
        assert [*raised_with_options(path)] == []
        found = [text for _, text in texts(ast.parse(path.read_text())) if "\n" not in text]
        left = {
            flag for text in found for flag in FLAG.findall(in_python(text)) if text not in KEYWORDS
        }
        assert not left & set(KEYWORDS)


def test_the_command_line_tells_what_can_be_typed(capfd: pytest.CaptureFixture[str]) -> None:
    error = KernelError(worded("--pid: x: no program takes it"), 1)
    error.add_note("--iface lo")
    report.failure(error)
    assert capfd.readouterr().err == "beepy: --pid: x: no program takes it\nnote: --iface lo\n"
    assert error.errno == 1


def test_texts_without_an_option_are_as_they_are() -> None:
    error = BeepyError("a-b: nothing")
    error.add_note("did you mean x-y?")
    assert type(error.args[0]) is type(error.__notes__[0]) is str
    assert worded(worded("--iface lo")).typed == "--iface lo"  # type: ignore[attr-defined]
    assert (str(BeepyError()), typed(BeepyError())) == ("", "")
