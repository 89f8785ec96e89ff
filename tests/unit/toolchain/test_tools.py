"""Which programs are found; they are shell scripts here that answer as the real ones do."""

import os
from pathlib import Path

import pytest

from beepy.errors import BuildError
from beepy.toolchain import tools


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory that is searched."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(tools, "_SBIN", ())
    for variable in ("CLANG", "LLVM_STRIP", "BPFTOOL"):
        monkeypatch.delenv(variable, raising=False)
    return directory


def program(path: Path, answer: str = "", code: int = 0) -> str:
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def clang(path: Path, version: str) -> str:
    return program(path, f"Debian clang version {version}\nTarget: x86_64-pc-linux-gnu")


def refused(find: object) -> tuple[str, list[str]]:
    assert callable(find)
    with pytest.raises(BuildError) as raised:
        find()
    return str(raised.value), raised.value.__notes__


def test_a_clang_that_is_new_enough(programs: Path) -> None:
    path = clang(programs / "clang", "11.0.1")
    assert tools.clang() == tools.Clang(path, "11.0.1")
    assert tools.clang().major == 11


def test_a_numbered_clang_where_the_other_is_old_or_missing(programs: Path) -> None:
    clang(programs / "clang-11", "11.1.0")
    newest = clang(programs / "clang-19", "19.1.7")
    assert tools.clang().path == newest
    clang(programs / "clang", "10.0.1")
    assert tools.clang().path == newest
    exact = clang(programs / "clang", "14.0.6")
    assert tools.clang().path == exact


def test_a_clang_by_the_environment_alone(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clang(programs / "clang", "14.0.6")
    monkeypatch.setenv("CLANG", clang(tmp_path / "mine", "20.0"))
    assert tools.clang() == tools.Clang(str(tmp_path / "mine"), "20.0")
    monkeypatch.setenv("CLANG", "nosuch\n")
    assert refused(tools.clang) == (r"CLANG nosuch\x0a: not found", ["apt install clang"])


def test_no_clang_or_an_old_one(programs: Path) -> None:
    assert refused(tools.clang) == ("clang: not found", ["apt install clang"])
    path = clang(programs / "clang", "10.0.1-4")
    message = f"{path}: clang 10.0.1: 11 or newer is needed"
    assert refused(tools.clang) == (message, ["apt install clang"])
    program(programs / "clang", "gcc 12")
    assert refused(tools.clang)[0] == f"{path}: clang of unknown version: 11 or newer is needed"


def test_the_strip_of_this_clang(programs: Path, tmp_path: Path) -> None:
    compiler = tools.Clang(str(programs / "clang"), "16.0.6")
    assert refused(lambda: tools.llvm_strip(compiler)) == (
        "llvm-strip: not found",
        ["apt install llvm"],
    )
    paths = [program(programs / name) for name in ("llvm-strip", "llvm-strip-16")]
    assert tools.llvm_strip(compiler._replace(version="14.0")) == paths[0]
    (tmp_path / "llvm").mkdir()
    real = clang(tmp_path / "llvm" / "clang", "16.0.6")
    (programs / "clang").symlink_to(real)
    (programs / "llvm-strip").unlink()
    assert tools.llvm_strip(compiler) == paths[1]
    beside = program(tmp_path / "llvm" / "llvm-strip")
    assert tools.llvm_strip(compiler) == beside


def test_a_bpftool_that_runs(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(programs / "bpftool", "bpftool v7.1.0")
    assert tools.bpftool() == path
    program(programs / "bpftool", "WARNING: bpftool not found for kernel 6.8", code=2)
    monkeypatch.setattr(Path, "glob", lambda _, __: iter(()))
    assert refused(tools.bpftool) == (
        "vmlinux.h: bpftool: does not run",
        ["apt install bpftool"],
    )
    os.unlink(path)  # noqa: PTH108 - Path is changed above
    assert refused(tools.bpftool)[0] == "vmlinux.h: bpftool: not found"


def test_ubuntus_bpftool_of_another_kernel(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """/usr/bin/bpftool is a script there that wants one of the running kernel."""
    program(programs / "bpftool", "WARNING: bpftool not found for kernel 6.8", code=2)
    other = program(tmp_path / "bpftool", "bpftool v7.4.0")
    monkeypatch.setattr(Path, "glob", lambda _, __: iter([Path(other)]))
    assert tools.bpftool() == other
