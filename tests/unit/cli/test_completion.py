"""Tab keys in real shells."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from beepy.cli.completion import SHELLS
from beepy.oci.store import Store
from tests.support.command import Beepy, environment
from tests.support.shell import Shell

ELF = b"\x7fELF" + bytes(600)

DIGEST = "sha256:4b8893e6a0406167e751a27d0f42f27a63e46b7f8ec453e9d7cea432d137dc79"  # of its image

# What is typed at first: the script, and a function that shows the arguments of a command.
SET_UP = {
    "bash": (
        "source <(beepy completion bash)\nbeepy() { printf '<%s>' \"$@\"; echo; }\necho rea''dy\n"
    ),
    "zsh": (
        "autoload -Uz compinit && compinit -u -D\n"
        "source <(beepy completion zsh)\n"
        "beepy() { printf '<%s>' \"$@\"; echo; }\n"
        "echo rea''dy\n"
    ),
    "fish": (
        "beepy completion fish | source\n"
        "function beepy; printf '<%s>' $argv; echo; end\n"
        "echo rea''dy\n"
    ),
}
START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
COMPLETED = [
    ("beepy ru\t", "<run>"),
    ("beepy run exitsnoop-c\t", "<run><exitsnoop-counter>"),
    ("beepy run localhost:5000/x:\t", "<run><localhost:5000/x:1.2>"),
    ("beepy run localhost:5000/x:1\t", "<run><localhost:5000/x:1.2>"),
    ("beepy run localh\t", "<run><localhost:5000/x:1.2>"),
    ("beepy run exitsnoop-c\ttcpl\t", "<run><exitsnoop-counter><tcplife>"),
    ("beepy run localhost:5000/x:1.2@sh\t", f"<run><localhost:5000/x:1.2@{DIGEST}>"),
    ("beepy run team/al\t", "<run><team/alias>"),
    ("beepy run --miss\tsk\t", "<run><--missing><skip>"),
    ("beepy run --missing=sk\t", "<run><--missing=skip>"),
    ("beepy run --pull=al\ttcpl\t", "<run><--pull=always><tcplife>"),
    ("beepy run -o wi\t", "<run><-o><wide>"),
    ("beepy completion zs\t", "<completion><zsh>"),
    ("beepy run ./pro\t", "<run><./probe one.o>"),
    ("beepy run pro\t", "<run><probe one.o>"),
    ("beepy run --btf pro\t", "<run><--btf><probe one.o>"),
    ("beepy run --btf=pro\t", "<run><--btf=probe one.o>"),
    ("beepy list --storage di\tx", "<list><--storage><dir/x>"),
    ("beepy --storage dir/store run a.b/o\t", "<--storage><dir/store><run><a.b/other:1>"),
    ("beepy run 'localhost:50\t", "<run><localhost:5000/x:1.2>"),
    ('beepy run "localhost:50\t', "<run><localhost:5000/x:1.2>"),
    ("beepy run nosuch\t", "<run><nosuch>"),
    ("beepy list nosuch\t", "<list><nosuch>"),
    ("beepy nosuch di\t", "<nosuch><di>"),
]


class Place(NamedTuple):
    """A home with images and settings, a working directory with files, ``beepy`` on PATH."""

    work: Path
    env: dict[str, str]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    home, work, programs = tmp_path / "home", tmp_path / "work", tmp_path / "bin"
    for directory in (home / ".config" / "beepy", work / "dir", programs):
        directory.mkdir(parents=True)
    store = Store(home / ".local" / "share" / "beepy" / "store")
    for name in ("localhost:5000/x:1.2", "a.b/y@z;rm -rf ~", "$(touch x)"):
        store.add_image(name, ELF, {})
    Store(work / "dir" / "store").add_image("a.b/other:1", ELF, {})
    (work / "probe one.o").write_bytes(ELF)
    settings = home / ".config" / "beepy" / "registries.toml"
    settings.write_text('[aliases]\n"team/alias" = "a.b/x:1"\n')
    script = programs / "beepy"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -W error -m beepy "$@"\n')
    script.chmod(0o755)
    env = environment(home)
    return Place(work, {**env, "PATH": f"{programs}:{env['PATH']}"})


def needs(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


@pytest.fixture
def shell(
    request: pytest.FixtureRequest, place: Place, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    needs(request.param)
    monkeypatch.chdir(place.work)
    with Shell(START[request.param], place.env) as shell:
        shell.enter(SET_UP[request.param])
        shell.until("ready")
        yield shell


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_what_a_tab_completes(shell: Shell) -> None:
    for number, (typed, arguments) in enumerate(COMPLETED):
        shell.enter(f"{typed}\n")
        shell.until(f"{arguments}\r\n")
        shell.enter(f"echo do''ne{number}\n")
        shell.until(f"done{number}")


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_bash_with_other_breaks_between_words(shell: Shell) -> None:
    shell.enter("COMP_WORDBREAKS=${COMP_WORDBREAKS//[:=]}\n")
    shell.enter("beepy run localhost:5000/x:\t\n")
    shell.until("<run><localhost:5000/x:1.2>\r\n")
    shell.enter("COMP_WORDBREAKS+=:\n")
    shell.enter("beepy run localhost:5000/x:1.2@sha\t\n")
    shell.until("<run><localhost:5000/x:1.2@sha256:")


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_bash_after_sudo(shell: Shell) -> None:
    """bash-completion hands the command behind sudo on; without it, sudo completes nothing."""
    script = Path("/usr/share/bash-completion/bash_completion")
    if not script.exists():
        pytest.skip("bash-completion is not installed")
    shell.enter(f'source {script}\nsource <(beepy completion bash)\nsudo() {{ "$@"; }}\n')
    shell.enter("sudo beepy run localhost:5000/x:\t\n")
    shell.until("<run><localhost:5000/x:1.2>\r\n")
    shell.enter("sudo beepy run --missing=sk\t\n")
    shell.until("<run><--missing=skip>\r\n")


@pytest.mark.parametrize("shell", ["zsh"], indirect=True)
def test_zsh_after_sudo(shell: Shell) -> None:
    shell.enter('sudo() { "$@"; }\nsudo beepy run localhost:5000/x:\t\n')
    shell.until("<run><localhost:5000/x:1.2>\r\n")


@pytest.mark.parametrize("shell", ["zsh"], indirect=True)
def test_zsh_lists_words_without_a_description_alone(shell: Shell) -> None:
    shell.enter("beepy completion \t")
    shell.until("bash  fish  zsh")


@pytest.mark.parametrize("shell", ["fish"], indirect=True)
def test_fish_after_sudo(shell: Shell) -> None:
    directory = Path("/usr/share/fish/completions")  # which --no-config does not search
    if not (directory / "sudo.fish").exists():
        pytest.skip(f"{directory} has no completion of sudo")
    shell.enter(f"set fish_complete_path {directory}\nfunction sudo; $argv; end\n")
    shell.enter("sudo beepy run localhost:5000/x:\t\n")
    shell.until("<run><localhost:5000/x:1.2>\r\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell(place: Place, tmp_path: Path, shell: str) -> None:
    """It is what the command prints, and the shell can parse it."""
    needs(shell)
    done = Beepy(tmp_path)("completion", shell)
    assert (done.code, done.err) == (0, "")
    script = tmp_path / "script"
    script.write_text(done.out)
    subprocess.run([shell, "-n", script], check=True, env=place.env)


def test_zsh_loads_the_script_from_its_path(place: Place, tmp_path: Path) -> None:
    needs("zsh")
    (tmp_path / "_beepy").write_text(Beepy(tmp_path)("completion", "zsh").out)
    script = (
        f"fpath=({tmp_path} $fpath); autoload -Uz compinit && compinit -u -D; echo $_comps[beepy]"
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", script], check=True, capture_output=True, text=True, env=place.env
    )
    assert done.stdout == "_beepy\n"


@pytest.mark.parametrize("shell", ["powershell", "\x1b"])
def test_a_shell_without_a_script(tmp_path: Path, shell: str) -> None:
    done = Beepy(tmp_path)("completion", shell)
    name = shell.replace("\x1b", "\\x1b")
    why = f"invalid value for 'SHELL': '{name}' is not one of 'bash', 'zsh', 'fish'"
    assert (done.code, done.out, done.said[0]) == (2, "", f"beepy: {why}")


def test_without_a_shell(tmp_path: Path) -> None:
    done = Beepy(tmp_path)("completion")
    expected = "beepy: missing argument 'SHELL'. Choose from: bash, zsh, fish"
    assert (done.code, done.out, done.said[0]) == (2, "", expected)
