import os
from pathlib import Path

import pytest

from beepy.errors import BeepyError
from beepy.manifest import builder


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    return path


def install(path: Path, name: str, script: str = "exit 0") -> str:
    """Put a program of that name on PATH: what it is told is what counts here."""
    (path / name).write_text(f"#!/bin/sh\n{script}\n")
    (path / name).chmod(0o755)
    return str(path / name)


def test_podman_comes_first(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    docker = install(programs, "docker")
    assert builder.find("") == docker
    podman = install(programs, "podman")
    assert builder.find("") == podman
    assert builder.find("docker") == docker
    assert builder.find(docker) == docker


def test_what_to_install_is_said(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    for program, names in (("", "podman and docker"), ("kaniko", "kaniko")):
        with pytest.raises(BeepyError, match=f"^{names}: not found in PATH: ") as caught:
            builder.find(program)
        assert caught.value.__notes__ == ["install one: sudo apt install podman"]


def test_only_dockers_format_has_health_checks(tmp_path: Path) -> None:
    rest = [f"--file={tmp_path}/Containerfile", "--tag=x:1", str(tmp_path)]
    assert builder.command("/usr/bin/podman", tmp_path, "x:1") == [
        *("/usr/bin/podman", "build", "--format=docker"),
        *rest,
    ]
    assert builder.command("docker", tmp_path, "x:1") == ["docker", "build", *rest]


def test_what_the_builder_says_is_no_data(programs: Path, tmp_path: Path) -> None:
    program = install(programs, "podman", 'echo "$@"; echo more >&2')
    reader, writer = os.pipe()
    with open(reader) as said:  # noqa: PTH123 - a descriptor
        builder.build(program, tmp_path, "x:1", writer)
        os.close(writer)
        expected = ["build", "--format=docker", f"--file={tmp_path}/Containerfile", "--tag=x:1"]
        assert said.read().split() == [*expected, str(tmp_path)]


@pytest.mark.parametrize(
    ("script", "how"), [("exit 125", "exit code 125"), ("kill -9 $$", "ended by signal 9")]
)
def test_a_failed_build_is_one_line(programs: Path, tmp_path: Path, script: str, how: str) -> None:
    program = install(programs, "podman", script)
    with pytest.raises(BeepyError, match=f"^{tmp_path}: podman build: {how}$"):
        builder.build(program, tmp_path, "x:1", 2)
