"""``beepy build`` with scripts that compile nothing; tests/registry/test_build.py has compilers."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from beepy import locks
from beepy.errors import StoreError
from beepy.oci.descriptor import digest_of
from beepy.oci.garbage import prune
from beepy.oci.layout import Layout
from beepy.oci.manifest import machine_platform
from beepy.oci.store import Store
from beepy.toolchain import compile as compiling
from beepy.toolchain import image
from tests.support.command import PATIENCE, Beepy, Done
from tests.support.listed import listed
from tests.support.objects import Object

COPY = 'cp "$(dirname "$0")/prebuilt.o" "$2"\n'


@pytest.fixture
def beepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    """Run beside probe.c, and with a directory of its own for temporary files."""
    for name in ("home", "work", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("probe.c").write_text("int x;\n")
    program = Object()
    program.program(name="seen")
    Path("prebuilt.o").write_bytes(program.data())
    Path("copy.sh").write_text(COPY)
    return Beepy(tmp_path / "home", {"TMPDIR": str(tmp_path / "tmp")})


@pytest.fixture
def store(beepy: Beepy) -> Store:
    return Store(beepy.home / ".local" / "share" / "beepy" / "store")


def built(beepy: Beepy, *arguments: str, script: str = COPY) -> Done:
    """Build probe.c by a script; nothing temporary is left."""
    Path("copy.sh").write_text(script)
    done = beepy("build", "probe.c", *arguments, "--build-script", "copy.sh")
    assert listed(beepy.variables["TMPDIR"]) == []
    return done


def test_an_object_is_written_beside_the_source(beepy: Beepy, store: Store) -> None:
    prebuilt = Path("prebuilt.o").read_bytes()
    assert built(beepy) == (0, f"probe.o {digest_of(prebuilt)}\n", "")
    assert Path("probe.o").read_bytes() == prebuilt
    assert Path("probe.o").stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert store.list() == ()


def _umask() -> int:
    os.umask(mask := os.umask(0))
    return mask


def test_an_image_is_written_into_the_store(beepy: Beepy, store: Store) -> None:
    first, second = (built(beepy, f"probe:{tag}") for tag in (1, 2))
    image = store.get("probe:1")
    assert first == (0, f"probe:1 {image.digest}\n", "")
    assert second == (0, f"probe:2 {image.digest}\n", "")
    assert image.programs == (Path("prebuilt.o").read_bytes(),)
    assert not Path("probe.o").exists()
    assert [entry.platform for entry in store.list()] == [machine_platform()] * 2


def test_the_manifest_is_bees_with_an_artifact_type(beepy: Beepy, store: Store) -> None:
    built(beepy, "x:1", "--author", "me <me@a.b>", "--description", "a & b", "--arch", "arm64")
    found = store.find("x:1")
    assert found
    manifest = json.loads(store.layout.read(found[1]))
    assert manifest.pop("artifactType") == manifest["config"]["mediaType"]
    assert list(manifest) == ["schemaVersion", "config", "layers", "annotations"]
    assert manifest["annotations"] == {
        "org.opencontainers.image.authors": "me <me@a.b>",
        "org.opencontainers.image.description": "a & b",
    }
    assert found[1].platform == "linux/arm64"


def test_the_name_of_a_bundled_image_hides_that(beepy: Beepy) -> None:
    done = built(beepy, "exitsnoop")
    assert (done.code, done.said) == (
        0,
        ["warning: exitsnoop: the bundled image of that name is hidden by it"],
    )


def test_an_object_is_no_source(beepy: Beepy, store: Store) -> None:
    assert beepy("build", "prebuilt.o", "x:1") == (
        1,
        "",
        "beepy: prebuilt.o: an ELF object, not C source\nnote: beepy run ./prebuilt.o\n",
    )
    assert store.list() == ()


def test_an_image_and_an_object(beepy: Beepy, store: Store) -> None:
    done = built(beepy, "probe:1", "-o", "other.o")
    assert done.out.split()[::2] == ["other.o", "probe:1"]
    assert store.names() == ("probe:1",)
    assert Path("other.o").read_bytes() == Path("prebuilt.o").read_bytes()


def test_only_an_object(beepy: Beepy, store: Store) -> None:
    """bee takes a reference beside --binary-only, and ignores it."""
    assert built(beepy, "NO:1", "--binary-only").out.startswith("probe.o sha256:")
    assert store.list() == ()


def test_an_index_has_a_manifest_for_each_architecture(beepy: Beepy, store: Store) -> None:
    script = COPY + 'printf "$TARGET_ARCH" >>"$2"; echo "$TARGET_ARCH"\n'
    done = built(beepy, "probe:1", "--arch", "amd64,aarch64", "--arch", "arm64", script=script)
    assert (done.code, done.said) == (0, ["x86", "arm64"])
    found = store.find("probe:1")
    assert found
    index = json.loads(store.layout.read(found[1]))
    assert index["mediaType"] == found[1].media_type
    assert [entry["platform"] for entry in index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    suffix = {"x86_64": b"x86", "aarch64": b"arm64"}[os.uname().machine]
    assert store.get("probe:1").programs[0].endswith(suffix)


def test_a_script_is_called_as_bee_does(beepy: Beepy) -> None:
    script = COPY + 'echo "$# $1 ${2##*/} $CFLAGS" "$(pwd)"; cat\n'
    done = built(beepy, "--cflags=-DA -DB", "--cflags", "-DC", script=script)
    assert done.said == [f"2 probe.c object.o -DA -DB -DC {Path.cwd()}"]
    assert done.out.startswith("probe.o sha256:")
    done = beepy("build", "../work/probe.c", "--build-script", f"{Path.cwd()}/copy.sh")
    assert done.said == [f"2 ../work/probe.c object.o  {Path.cwd()}"]
    Path("-x.c").write_text("")
    done = beepy("build", "--build-script", "copy.sh", "--", "-x.c")
    assert done.said == [f"2 ./-x.c object.o  {Path.cwd()}"]


@pytest.mark.parametrize(("more", "last"), [(0, "y"), (1, "... more than 262144 bytes")])
def test_messages_without_an_end(beepy: Beepy, more: int, last: str) -> None:
    """That some are not shown is said."""
    lines = 'yes | head -c "$((262144 + MORE))"\n'
    done = built(beepy, script=COPY + lines.replace("MORE", str(more)))
    assert (done.code, done.said[0], done.said[-1]) == (0, "y", last)


MAPPED = "-ffile-prefix-map=HERE/a/b=a/b"
OPTIONS = ("-I", "-isystem", "-iquote", "-idirafter", "-include")


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        *[(f"{option} a/b", [option, "HERE/a/b", MAPPED]) for option in (*OPTIONS, "-include-pch")],
        *[(f"{option}a/b", [f"{option}HERE/a/b", MAPPED]) for option in OPTIONS],
        *[(f"{option}/a,/b", [f"{option}/a,/b"]) for option in OPTIONS],
        *[(f"{option} /a", [option, "/a"]) for option in OPTIONS],
        (
            "-include a -Ib",
            [
                "-include",
                "HERE/a",
                "-ffile-prefix-map=HERE/a=a",
                "-IHERE/b",
                "-ffile-prefix-map=HERE/b=b",
            ],
        ),
        ("-DA=-Ia -Wall a,/b", ["-DA=-Ia", "-Wall", "a,/b"]),
    ],
)
def test_paths_in_cflags(tmp_path: Path, given: str, passed: list[str]) -> None:
    """As clang takes them: joined to their option, or as the next word."""
    (tmp_path / "src").mkdir()
    compiler = tmp_path / "clang"
    compiler.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    compiler.chmod(0o755)
    variables = {"CLANG": str(compiler), "LLVM_STRIP": "true", "CFLAGS": f"{given} -DLAST"}
    done = subprocess.run(
        ["sh", compiling.SCRIPT, "src/probe.c", "probe.o"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **variables},
    )
    words = done.stdout.splitlines()
    flags = words[words.index("-Wno-error=implicit-function-declaration") + 1 :]
    assert flags[: flags.index("-DLAST")] == [
        word.replace("HERE", str(tmp_path)) for word in passed
    ]


def test_the_users_cflags_are_not_the_compilers(beepy: Beepy) -> None:
    other = beepy._replace(variables={**beepy.variables, "CFLAGS": "-march=native"})
    assert built(other, script=COPY + 'echo "<$CFLAGS>"\n').said == ["<>"]


def test_the_default_script_is_printed(beepy: Beepy) -> None:
    expected = (0, compiling.SCRIPT.read_text(), "")
    assert beepy("build", "--build-script-out") == expected
    assert beepy("build", "probe.c", "x:1", "--local", "--build-script-out") == expected
    done = beepy("build", "probe.c", "--build-script-out", "--build-script", "copy.sh")
    assert done == (0, COPY, "")


@pytest.mark.parametrize(
    ("option", "value"),
    [("-b", "docker"), ("--builder", "podman"), ("-i", "a.b/c:1"), ("--build-image", "c")],
)
def test_a_container_is_answered(beepy: Beepy, option: str, value: str) -> None:
    name = {"-b": "--builder", "-i": "--build-image"}.get(option, option)
    done = built(beepy, option, value)
    assert (done.code, done.said) == (0, [f"note: {name} {value}: not used: local tools compile"])


def test_local_is_accepted_silently(beepy: Beepy) -> None:
    assert built(beepy, "-l").err == ""
    assert built(beepy, "--local=true").err == ""


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no >&2; exit 3", ["no", "probe.c: not compiled: copy.sh failed with exit code 3"]),
        ("kill -9 $$", ["probe.c: not compiled: copy.sh failed with signal 9"]),
        ("exit 0", ["probe.c: the build script wrote no object"]),
        ("echo x >$2", ["probe.c: not an ELF file"]),
        ("printf 'a\\033[31mb\\tc\\n'; exit 1", [r"a\x1b[31mb", "copy.sh failed"]),
        (
            "echo \"x.c:1: fatal error: 'bpf/bpf_helpers.h' file not found\"; exit 1",
            ["probe.c: bpf/bpf_helpers.h: not found", "note: apt install libbpf-dev"],
        ),
        (
            "echo \"x.c:1: fatal error: 'asm/types.h' file not found\"; exit 1",
            ["probe.c: asm/types.h: not found", "note: apt install linux-libc-dev"],
        ),
        (
            "echo \"x.c:1: fatal error: 'mine.h' file not found\"; exit 1",
            ["'mine.h' file not found", "copy.sh failed with exit code 1"],
        ),
    ],
)
def test_a_failure_changes_nothing(
    beepy: Beepy, store: Store, script: str, said: list[str]
) -> None:
    before = built(beepy, "probe:1", "-o", "probe.o").out
    done = built(beepy, "probe:1", "-o", "probe.o", script=script)
    assert (done.code, done.out) == (1, "")
    assert len(done.said) == len(said)
    assert all(part in line for part, line in zip(said, done.said, strict=True)), done.err
    assert Path("probe.o").read_bytes() == Path("prebuilt.o").read_bytes()
    assert before.splitlines()[1] == f"probe:1 {store.get('probe:1').digest}"
    assert listed() == ["copy.sh", "prebuilt.o", "probe.c", "probe.o"]


def test_a_source_without_a_program(beepy: Beepy) -> None:
    Path("prebuilt.o").write_bytes(Object().data())
    done = built(beepy)
    assert (done.code, done.out) == (1, "")
    assert done.said[0] == "beepy: probe.c: no BPF program: no function has a section"
    assert not Path("probe.o").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "build: no source given"),
        (["probe.c", "X:1"], "reference 'X:1': repository: upper case is not allowed"),
        (["probe.c", f"x@sha256:{'0' * 64}"], "the name of a new image has no digest"),
        (["probe.c", "x:1", "--arch", "mips"], "--arch 'mips': expected amd64 or arm64"),
        (["probe.c", "x:1", "--arch", "amd64,"], "--arch '': expected amd64 or arm64"),
        (["probe.c", "--arch", "amd64,arm64"], "expected REF, and no object"),
        (["probe.c", "x:1", "--arch", "amd64,arm64", "-o", "x.o"], "expected REF, and no object"),
        (["probe.c", "-o", "../work/probe.c"], "probe.c: the object would replace the source"),
        (["prebuilt.o"], "prebuilt.o: the object would replace the source"),
        (["probe.c", "x:1", "--description", "a\nb"], "an annotation is one line of text"),
        (["probe.c", "x:1", "--author", "\udcff"], "an annotation is one line of text"),
        (["probe.c", "x:1", "y:1"], "unexpected argument 'y:1'"),
    ],
)
def test_wrong_arguments_compile_nothing(beepy: Beepy, arguments: list[str], said: str) -> None:
    Path("copy.sh").write_text(f"touch ran\n{COPY}")
    done = beepy("build", *arguments, "--build-script", "copy.sh")
    assert (done.code, done.out) == (2, "")
    assert said in done.said[0]
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch.c"], "nosuch.c: no such file or directory"),
        (["."], ".: not a regular file"),
        (["/dev/zero", "x:1"], "/dev/zero: not a regular file"),
        (["probe.c", "--build-script", "nosuch.sh"], "build script nosuch.sh: no such file"),
        (["probe.c", "-o", "/nosuch/x.o", "--build-script", "copy.sh"], "/nosuch/x.o: no such "),
        (["probe.c", "-o", "/dev/null", "--build-script", "copy.sh"], "not a regular file"),
        (["probe.c", "-o", "..", "--build-script", "copy.sh"], "..: not a regular file"),
    ],
)
def test_files_that_cannot_be_used(beepy: Beepy, arguments: list[str], said: str) -> None:
    done = beepy("build", *arguments)
    assert (done.code, done.out, len(done.said)) == (1, "", 1), done.err
    assert said in done.err
    assert listed() == ["copy.sh", "prebuilt.o", "probe.c"]


def test_a_store_that_cannot_be_written_keeps_the_object(beepy: Beepy) -> None:
    Path("probe.o").write_text("before")
    Path("store").write_text("a file")
    done = built(beepy, "probe:1", "-o", "probe.o", "--storage", "store")
    assert (done.code, done.out) == (1, "")
    assert Path("probe.o").read_text() == "before"
    assert len(listed()) == 5


def test_types_that_no_source_includes(beepy: Beepy) -> None:
    done = built(beepy, "--btf", "probe.c")
    assert (done.code, done.said) == (
        2,
        ["beepy: --btf probe.c: probe.c includes no vmlinux.h, or finds another one"],
    )


def test_an_interrupt_ends_the_script_and_what_it_started(beepy: Beepy, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    Path("copy.sh").write_text(f"(exec >{fifo}; echo started; exec sleep 1000)\n")
    arguments = ("build", "probe.c", "--build-script", "copy.sh")
    with beepy.start(*arguments) as running, fifo.open() as file:
        assert file.readline() == "started\n"
        assert running.end(signal.SIGINT) == (130, "", "")
        assert file.read() == ""  # until the last writer has ended
    assert listed(beepy.variables["TMPDIR"]) == []


@pytest.mark.usefixtures("beepy")
def test_an_interrupt_while_the_script_is_started_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script may have begun before Popen has returned."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    Path("copy.sh").write_text(f"exec >{fifo}; echo started; exec sleep 1000\n")
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    start = subprocess.Popen.__init__

    def said() -> bytes:
        assert select.select([reading], [], [], PATIENCE)[0]
        return os.read(reading, 100)

    def interrupted(process: "subprocess.Popen[bytes]", *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - Popen's
        start(process, *arguments, **named)
        assert said() == b"started\n"
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess.Popen, "__init__", interrupted)
    options = compiling.CompileOptions(script=Path("copy.sh"))
    with pytest.raises(KeyboardInterrupt):
        compiling.compile_all(Path("probe.c"), ["amd64"], options, print)
    assert said() == b""  # it has ended
    os.close(reading)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_nothing_is_removed_before_the_image_has_its_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs of two architectures arrive before the index that names them."""
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    put = Store.put

    def late(self: Store, name: str, manifest: bytes, media_type: str) -> str:
        with pytest.raises(StoreError, match="locked by pid "):
            prune(Layout(store.path))
        return put(self, name, manifest, media_type)

    monkeypatch.setattr(Store, "put", late)
    image.write(store, "x:1", {"amd64": b"\x7fELF", "arm64": b"\x7fELF 2"}, {})
    assert store.get("x:1").programs
