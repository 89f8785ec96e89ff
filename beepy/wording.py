"""Messages that name options: in the words of the command line, and in those of Python.

Whoever raises an error writes what can be typed. Its notes keep that for the command line, and show
a Python program the keyword arguments instead::

    --iface lo or --attach count=lo        iface="lo" or targets={"count": "lo"}
    beepy run exitsnoop --set pid=7        beepy.run("exitsnoop", variables={"pid": 7})
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final, Self

KEYWORDS: Final[Mapping[str, str]] = {
    "--attach": "targets={entry}",
    "--binary": "binary={text}",
    "--btf": "btf={text}",
    "--ca-file": "options=Options(ca_file={text})",
    "--certificate-identity": "verify=Signer(identity={text})",
    "--certificate-oidc-issuer": "verify=Signer(issuer={text})",
    "--cgroup": "cgroup={text}",
    "--check": "check=True",
    "--comm": "comm={text}",
    "--config": "options=Options(configs=[{text}])",
    "--config-dir": "options=Options(config_dir={text})",
    "--container": "container={text}",
    "--cost": "cost=True",
    "--count": "count={number}",
    "--fields": "fields={text}",
    "--filter": "filters={text}",
    "--iface": "iface={text}",
    "--insecure": "options=Options(insecure=True)",
    "--interval": "interval={number}",
    "--key": "verify=Signer(key={text})",
    "--limit": "limit={number}",
    "--raw": "raw=True",
    "--map-size": "map_sizes={entry}",
    "--max-overhead": "max_overhead={number}",
    "--missing": "missing={text}",
    "--netns": "netns={text}",
    "--no-rewrite": "rewrite=False",
    "--password": "options=Options(password={text})",
    "--pid": "pid={number}",
    "--pin-maps": "pins=Pins(maps={text})",
    "--pin-progs": "pins=Pins(programs={text})",
    "--plain-http": "options=Options(plain_http=True)",
    "--pod": "pod={text}",
    "--policy": "policy={text}",
    "--prog": "programs=[{text}]",
    "--pull": "pull={text}",
    "--read-only": "read_only=True",
    "--relocations": "relocations=True",
    "--set": "variables={entry}",
    "--storage": "options=Options(storage={text})",
    "--text": "texts={text}",
    "--timeout": "timeout={number}",
    "--trace": "trace=print",
    "--trusted-root": "verify=Signer(trusted_root={text})",
    "--type": "types={entry}",
    "--uid": "uid={number}",
    "--until": "until={text}",
    "--unit": "unit={text}",
    "--username": "options=Options(username={text})",
    "--verify": "verify=True",
    "--where": "where={text}",
}
"""What Python has in the place of an option of the command line, with its value."""

COMMAND_LINE_ALONE: Final = frozenset(
    {
        *(
            "--debug",
            "--fail-on-loss",
            "--help",
            "--hist-buckets",
            "--hist-value-key",
            "--no-metrics",
            "--no-tty",
            "--output",
        ),
        *("--prom-host", "--prom-port", "--rows", "--verbose", "--version", "--zero"),
        *("--arch", "--author", "--binary-only", "--build-image", "--build-script"),
        *("--build-script-out", "--builder", "--cflags", "--description", "--file"),
        *("--language", "--local", "--map", "--output-file", "--output-type", "--program-type"),
        *("--arg", "--base-image", "--bee-image", "--beepy-image", "--build", "--wheel"),
        *("--record", "--speed", "--rotate", "--last"),
        *("--dry-run", "--input", "--name", "--password-stdin"),
        "--KEY",
        *("--allow", "--recordings", "--max-count", "--max-timeout"),
        *("--labels", "--summary", "--top", "--by", "--every", "--sum", "--avg"),
        "--scrollback",
        "--sort",  # of other programs in messages, too
    }
)
"""The options that only the command line has: for outputs, its page of metrics, builds, stores."""

_SHORT: Final = {"c": "--config", "f": "--filter", "p": "--password", "u": "--username"}
# Other programs have short options too: ours begin a text, or are listed after "from".
_SHORTS: Final = re.compile(r"(?:^|(?<=from )|(?<=and ))-([cfpu])(?= |,)")
_COMMANDS: Final = re.compile(r"^beepy (run|pull|push|describe) ([^;]*)")
_LIST: Final = re.compile(r"\bbeepy list(?: --storage (\S+))?")
_PROGS: Final = re.compile(r"--prog [^\s;]+(?: --prog [^\s;]+)+")
_END: Final = r"(?=[),;]*(?:\s|$))"
# A name and a value, a quoted text that is not what a message is about ('text': why), or a word.
_VALUE: Final = (
    rf"[^\s=']+=(?:'[^']*'|\S+?{_END})|'[^']*'(?!:)|(?!(?:or|and|too)\b)[^\s:;']\S*?{_END}"
)
_FLAG: Final = re.compile(rf"(?<![\w-])(--[a-z]+(?:-[a-z]+)*)(?![\w-])(?: ({_VALUE}))?")


class Wording(str):
    """A text in Python's words; ``typed`` is the same in those of the command line."""

    __slots__ = ("typed",)

    typed: str

    def __new__(cls, typed: str) -> Self:
        """Translate a text of the command line."""
        wording = super().__new__(cls, in_python(typed))
        wording.typed = typed
        return wording


def in_python(typed: str) -> str:
    """Return a text of the command line with keyword arguments in the place of its options."""
    try:
        return _translated(typed)
    except ValueError:  # a name that is part of it has an odd quote
        return typed


def _translated(typed: str) -> str:
    if command := _COMMANDS.match(typed):
        return f"beepy.{command[1]}({', '.join(_arguments(command[2]))}){typed[command.end() :]}"
    text = _LIST.sub(
        lambda found: f"beepy.images({_keyword('--storage', found[1]) if found[1] else ''})", typed
    )
    text = _SHORTS.sub(lambda found: _SHORT[found[1]], text)
    text = _PROGS.sub(lambda found: _programs(found[0].split()[1::2]), text)
    return _FLAG.sub(lambda found: _keyword(found[1], found[2] or ""), text)


def _keyword(flag: str, value: str) -> str:
    """Return what stands for an option; without a value its name alone."""
    template = KEYWORDS.get(flag, flag)
    if "{" not in template:
        return f"{template} {value}".rstrip()
    if not value:
        keyword, _, rest = template.partition("=")
        return (
            f"options.{rest[len('Options(') :].partition('=')[0]}"
            if keyword == "options"
            else keyword
        )
    value = shlex.split(value)[0] if value.startswith("'") else value
    name, _, number = value.partition("=")
    entry = f"{{{_text(name)}: {number if number.isdecimal() else _text(number)}}}"
    return template.format(text=_text(value), number=value, entry=entry)


def _programs(names: list[str]) -> str:
    return f"programs=[{', '.join(map(_text, names))}]"


def _arguments(words: str) -> Iterator[str]:
    """Yield the arguments of a call that does what these words of a command line do."""
    rest = iter(shlex.split(words))
    for word in rest:
        yield _keyword(word, next(rest, "")) if word.startswith("--") else _text(word)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
