"""The notes for bee's commands that beepy lacks; tests/registry/test_substitutes.py runs them."""

import os
import subprocess
from pathlib import Path

import pytest

from beepy.cli import app
from beepy.cli.substitutes import COMMANDS
from beepy.oci.lookup import bundled_store
from tests.support.command import Beepy, Done


@pytest.fixture
def beepy(tmp_path: Path) -> Beepy:
    home = tmp_path / "home"
    home.mkdir()
    return Beepy(home)


def notes(done: Done, command: str) -> list[str]:
    """Return the notes below the error."""
    assert (done.code, done.out, done.said[0]) == (2, "", f"beepy: {command}: not implemented yet")
    assert all(line.startswith("note: ") for line in done.said[1:])
    return [line.removeprefix("note: ") for line in done.said[1:]]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_notes(beepy: Beepy, command: str) -> None:
    assert command not in app.COMMANDS
    expected = notes(beepy(command), command)
    assert expected
    assert notes(beepy(command, "--help"), command) == expected
    assert notes(beepy("help", command), command) == expected
    assert notes(beepy("-v", command, "-x"), command) == expected


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (
            ["package", "exitsnoop", "a.b/x:1"],
            ["skopeo copy oci:{bundled}:exitsnoop oci-archive:image.tar && beepy run ./image.tar"],
        ),
    ],
)
def test_arguments_are_in_the_notes(beepy: Beepy, arguments: list[str], typed: list[str]) -> None:
    own = beepy.home / ".local" / "share" / "beepy" / "store"
    command = next(argument for argument in arguments if argument in COMMANDS)
    expected = [line.format(own=own, bundled=bundled_store().path) for line in typed]
    assert notes(beepy(*arguments), command) == expected


def test_the_completion_command_works_in_bash(beepy: Beepy) -> None:
    (note,) = notes(beepy("completion", "bash"), "completion")
    script = (
        f'{note}\ncompgen -W "$(complete -p beepy | sed "s/.*-W \'\\([^\']*\\)\'.*/\\1/")" -- {{}}'
    )
    for typed, completed in (
        ("ru", "run\n"),
        ("", "".join([f"{name}\n" for name in app.COMMANDS])),
    ):
        done = subprocess.run(
            ["bash", "-c", script.replace("{}", f"'{typed}'")],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.stdout == completed
