"""The notes for bee's commands that beepy lacks; tests/registry/test_substitutes.py runs them."""

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
        (["push", "a.b/x:1"], ["skopeo copy oci:{own}:a.b/x:1 docker://a.b/x:1"]),
        (["push", "a.b/x:1", "-u", "me"], ["skopeo copy oci:{own}:a.b/x:1 docker://a.b/x:1"]),
        (["push", "a b"], ["skopeo copy oci:{own}:'a b' docker://'a b'"]),
        (["push"], ["skopeo copy oci:{own}:IMAGE docker://IMAGE"]),
        (["--storage", "/s t", "push", "x"], ["skopeo copy oci:'/s t':x docker://x"]),
        (["login", "ghcr.io"], ["docker login ghcr.io", "skopeo login ghcr.io"]),
        (["login", "-u", "me", "ghcr.io"], ["docker login SERVER", "skopeo login SERVER"]),
    ],
)
def test_arguments_are_in_the_notes(beepy: Beepy, arguments: list[str], typed: list[str]) -> None:
    own = beepy.home / ".local" / "share" / "beepy" / "store"
    command = next(argument for argument in arguments if argument in COMMANDS)
    expected = [line.format(own=own, bundled=bundled_store().path) for line in typed]
    assert notes(beepy(*arguments), command) == expected
