"""``beepy build`` with the compilers that are installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from beepy.oci.descriptor import digest_of
from beepy.oci.store import Store
from beepy.source import parse
from beepy.toolchain.architectures import ARCHITECTURES
from beepy.toolchain.tools import OLDEST_CLANG
from tests.conftest import TIERS
from tests.registry import distribution
from tests.support.command import Beepy, Done
from tests.support.listed import listed

pytestmark = pytest.mark.registry

KERNEL: Final = Path("/sys/kernel/btf/vmlinux")
CLANGS: Final = [
    name
    for name in ("clang", *[f"clang-{number}" for number in range(OLDEST_CLANG, 40)])
    if shutil.which(name)
]

CALLS: Final = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "solo_types.h"
#include "calls.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, duration);
} counter_calls SEC(".maps");

SEC("raw_tp/sys_enter")
PROGRAM(enter) /* of a macro, as BPF_KPROBE is */
{
    count(&counter_calls);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""
CALLS_H: Final = """
#define PROGRAM(name) int name(void *ctx)

static __always_inline void count(void *map)
{
    __u32 key = 0;
    __u64 one = 1;

    bpf_map_update_elem(map, &key, &one, 0); /* a line that the verifier quotes */
}
"""

TRACED: Final = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(connect, struct sock *sk)
{
    return sk->__sk_common.skc_num + PT_REGS_PARM2(ctx) + PT_REGS_RC(ctx);
}

char LICENSE[] SEC("license") = "GPL";
"""


def needs(*programs: str) -> None:
    """Skip the test where one of these programs is missing."""
    search = f"{os.environ['PATH']}:/usr/sbin"
    if missing := [name for name in programs if not shutil.which(name, path=search)]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture
def beepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    """Run beside calls.c, and with a directory of its own for temporary files."""
    needs("clang", "llvm-strip")
    for name in ("home", "work", "tmp"):
        (tmp_path / name).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "work")
    Path("calls.c").write_text(CALLS)
    Path("calls.h").write_text(CALLS_H)
    Path("traced.c").write_text(TRACED)
    return Beepy(tmp_path / "home", {"TMPDIR": str(tmp_path / "tmp")})


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that writes a shell script in the place of a program."""

    def write(text: str) -> str:
        path = tmp_path / "stand_in"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


def built(beepy: Beepy, *arguments: str, **variables: str) -> Done:
    """Build without an error; nothing temporary is left."""
    beepy = beepy._replace(variables={**beepy.variables, **variables})
    done = beepy("build", *arguments)
    assert (done.code, done.err) == (0, "")
    assert listed(beepy.variables["TMPDIR"]) == []
    return done


def refused(beepy: Beepy, *arguments: str, **variables: str) -> list[str]:
    """Build with an error; return the lines on stderr. Nothing is written."""
    before = listed()
    beepy = beepy._replace(variables={**beepy.variables, **variables})
    done = beepy("build", *arguments, "probe:1")
    assert (done.code, done.out) == (1, "")
    assert (listed(), listed(beepy.variables["TMPDIR"])) == (before, [])
    assert Store(beepy.home / ".local" / "share" / "beepy" / "store").list() == ()
    return done.said


def test_what_is_built_runs(beepy: Beepy) -> None:
    if why := TIERS["kernel"]():
        pytest.skip(why)
    built(beepy, "calls.c", "calls:1")
    done = beepy("run", "calls:1", "--count", "1", "--no-metrics", "-o", "json")
    assert done.code == 0, done.err
    assert '{"map": "counter_calls", ' in done.out


def test_what_is_built_is_pushed_and_pulled(beepy: Beepy, tmp_path: Path) -> None:
    needs("skopeo", distribution.PROGRAM)
    digest = built(beepy, "calls.c", "calls:1", "--arch", "amd64,arm64").out.split()[1]
    store = Store(beepy.home / ".local" / "share" / "beepy" / "store")
    with distribution.plain(tmp_path) as server:
        image = f"{server.host}/tools/calls:1"
        source, target = f"oci:{store.path}:calls:1", f"docker://{image}"
        command = ["skopeo", "copy", "--all", "--dest-tls-verify=false", source, target]
        subprocess.run(command, check=True, capture_output=True)
        assert beepy("pull", image).code == 0
        raw = ["skopeo", "inspect", "--raw", "--tls-verify=false", target]
        index = subprocess.run(raw, check=True, capture_output=True).stdout
    entry = store.find("calls:1")
    assert entry
    assert (entry[1].digest, index) == (digest, store.layout.read(entry[1]))
    assert store.get(image).programs == store.get("calls:1").programs


@pytest.mark.parametrize("clang", CLANGS)
def test_the_digest_depends_on_source_and_tools_alone(
    beepy: Beepy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clang: str
) -> None:
    """Twice, from other directories, under other paths, and by our script given back."""
    (tmp_path / "other" / "deep").mkdir(parents=True)
    for name in ("calls.c", "calls.h"):
        shutil.copy(name, tmp_path / "other" / "deep" / name)
    work = Path.cwd()
    (tmp_path / "link").symlink_to(work)
    calls = [
        (work, "calls.c"),
        (work, "./calls.c"),
        (work, str(work / "calls.c")),
        (work.parent, "work/calls.c"),
        (work.parent, "link/calls.c"),
        (work, "../other/deep/calls.c"),
        (Path("/"), str(tmp_path / "other" / "deep" / "calls.c")),
        (tmp_path / "other" / "deep", "calls.c"),
    ]
    outputs = set()
    for directory, source in calls:
        monkeypatch.chdir(directory)
        outputs.add(built(beepy, source, "calls:1", CLANG=clang).out)
    script = tmp_path / "build.sh"
    script.write_text(beepy("build", "--build-script-out").out)
    outputs.add(built(beepy, "calls.c", "calls:1", "--build-script", str(script), CLANG=clang).out)
    assert len(outputs) == 1
    programs = Store(beepy.home / ".local" / "share" / "beepy" / "store").get("calls:1").programs
    for line in (b"a line that the verifier quotes", b"of a macro, as BPF_KPROBE is"):
        assert line in programs[0]
    assert str(tmp_path).encode() not in programs[0]


@pytest.mark.parametrize("clang", CLANGS)
def test_flags_reach_the_compiler(
    beepy: Beepy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clang: str
) -> None:
    """Their paths start from the working directory, wherever the source is."""
    flagged = '#include "of_mine.h"\n#if A + B != 2\n#error\n#endif\n'
    digests = set()
    for tree in (tmp_path / "work" / "tree", tmp_path / "other"):
        for name, text in (
            ("src/flags.c", flagged + CALLS),
            ("include/of_mine.h", "#include <linux/types.h>\n"),
            ("include/calls.h", CALLS_H),
        ):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        monkeypatch.chdir(tree)
        for flags in (
            *(["-Iinclude -DA"], ["-DA -I include"], [f"-I{tree}/include", "-DA"]),
            *(["-isysteminclude -DA"], ["-iquoteinclude -DA"], ["-DA -idirafterinclude"]),
            ["-DA -includeinclude/of_mine.h -Iinclude"],
        ):
            options = [word for flag in (*flags, "-DB") for word in ("--cflags", flag)]
            built(beepy, "src/flags.c", "-o", "flags.o", *options, CLANG=clang)
            program = Path("flags.o").read_bytes()
            assert b"a line that the verifier quotes" in program
            if "-Iinclude -DA" in flags:
                assert str(tree).encode() not in program
                digests.add(digest_of(program))
    assert len(digests) == 1


@pytest.mark.skipif(not KERNEL.exists(), reason="this kernel has no types")
@pytest.mark.parametrize("clang", CLANGS)
def test_the_types_of_this_kernel(beepy: Beepy, clang: str) -> None:
    needs("bpftool")
    built(beepy, "traced.c", CLANG=clang)
    spec = parse(Path("traced.o").read_bytes())
    assert [program.section for program in spec.programs] == ["kprobe/tcp_v4_connect"]
    assert spec.programs[0].core


@pytest.mark.skipif(not KERNEL.exists(), reason="this kernel has no types")
def test_registers_are_those_of_each_architecture(beepy: Beepy) -> None:
    """The types are one kernel's; the program reads its registers in the places of each."""
    needs("bpftool")
    code = {}
    for architecture in ARCHITECTURES:
        built(beepy, "traced.c", "-o", f"{architecture}.o", "--arch", architecture)
        spec = parse(Path(f"{architecture}.o").read_bytes())
        code[architecture] = {
            insn.off for insn in spec.programs[0].insns if (insn.code, insn.src) == (0x79, 1)
        }
    # struct pt_regs of x86: di, si, ax; struct user_pt_regs of arm64: regs[0], regs[1]
    assert code == {"amd64": {112, 104, 80}, "arm64": {0, 8}}


@pytest.mark.skipif(not KERNEL.exists(), reason="this kernel has no types")
def test_types_from_a_file(beepy: Beepy) -> None:
    needs("bpftool")
    shutil.copy(KERNEL, "types.btf")
    first = built(beepy, "traced.c", "traced:1").out
    assert built(beepy, "traced.c", "traced:1", "--btf", "types.btf").out == first


def test_a_vmlinux_h_of_the_users_own(beepy: Beepy) -> None:
    """It is found before ours, and needs no bpftool."""
    text = "#include <linux/bpf.h>\n#include <linux/types.h>\n"
    Path("vmlinux.h").write_text(text)
    Path("own.c").write_text('#include "vmlinux.h"\n' + CALLS)
    built(beepy, "own.c", BPFTOOL="/nosuch")
    done = beepy("build", "own.c", "--btf", str(KERNEL))
    assert done.code == 2
    assert "includes no vmlinux.h, or finds another one" in done.err


def test_a_compile_error_is_shown(beepy: Beepy) -> None:
    Path("wrong.c").write_text("int x = \033[31m;\n")
    *lines, last = refused(beepy, "wrong.c")
    assert lines[0].startswith("wrong.c:1:9: error: ")
    assert "\033" not in "".join(lines)
    assert re.fullmatch(
        r"beepy: wrong\.c: not compiled: clang [\d.]+ failed with exit code 1", last
    )


def test_warnings_are_shown(beepy: Beepy) -> None:
    Path("warned.c").write_text(CALLS.replace("return 0", "int unused;\n    return 0"))
    done = beepy("build", "warned.c")
    assert done.code == 0
    assert "warning: unused variable 'unused'" in done.said[0]


def test_an_undeclared_function(beepy: Beepy) -> None:
    Path("undeclared.c").write_text(CALLS.replace("return 0", "return nosuch()"))
    assert "warning: " in (lines := refused(beepy, "undeclared.c"))[0]
    why = "relocation against 'nosuch': undefined, and not an extern of .kconfig or .ksyms"
    assert lines[-1].startswith("beepy: undeclared.c: function 'enter': instruction ")
    assert lines[-1].endswith(why)


def test_missing_programs(beepy: Beepy, stand_in: Callable[[str], str]) -> None:
    missing = refused(beepy, "calls.c", CLANG="/nosuch")
    assert missing == ["beepy: CLANG /nosuch: not found", "note: apt install clang"]
    old = stand_in("echo 'Debian clang version 10.0.1-8'")
    assert refused(beepy, "calls.c", CLANG=old) == [
        f"beepy: {old}: clang 10.0.1: 11 or newer is needed",
        "note: apt install clang",
    ]
    missing = refused(beepy, "calls.c", LLVM_STRIP="/nosuch")
    assert missing == ["beepy: LLVM_STRIP /nosuch: not found", "note: apt install llvm"]
    missing = refused(beepy, "traced.c", BPFTOOL="/nosuch")
    assert missing == [
        "beepy: vmlinux.h: BPFTOOL /nosuch: not found",
        "note: apt install bpftool",
    ]


def test_missing_headers(beepy: Beepy, stand_in: Callable[[str], str]) -> None:
    bare = stand_in('[ "$1" = --version ] || set -- -nostdinc "$@"; exec clang "$@"')
    Path("helpers.c").write_text("#include <bpf/bpf_helpers.h>\n")
    for source, header, package in (
        ("helpers.c", "bpf/bpf_helpers.h", "libbpf-dev"),
        ("calls.c", "linux/bpf.h", "linux-libc-dev"),
    ):
        assert refused(beepy, source, CLANG=bare) == [
            f"beepy: {source}: {header}: not found",
            f"note: apt install {package}",
        ]


def test_types_that_cannot_be_read(beepy: Beepy) -> None:
    needs("bpftool")
    Path("types.btf").write_bytes(b"")
    for path, why in (
        ("types.btf", "neither BTF, nor an ELF file, nor an archive of BTFHub (.tar.xz)"),
        ("nosuch.btf", "no such file or directory"),
    ):
        assert refused(beepy, "traced.c", "--btf", path) == [f"beepy: {path}: {why}"]


@pytest.mark.peer("bee")
def test_bee_takes_what_is_built(beepy: Beepy, tmp_path: Path) -> None:
    """One manifest and an index: listed, described, pushed, pulled."""
    needs(distribution.PROGRAM)
    with distribution.plain(tmp_path) as server:
        for arguments in ((), ("--arch", "amd64,arm64")):
            image = f"{server.host}/tools/calls:{len(arguments)}"
            built(beepy, "calls.c", image, *arguments, "--description", "what it does")
            store = beepy.home / ".local" / "share" / "beepy" / "store"
            for directory, words in (
                (store, ["list"]),
                (store, ["describe", image]),
                (store, ["push", image]),
                (tmp_path / "bees", ["pull", image]),
            ):
                command = ["bee", "--storage", str(directory), *words]
                done = subprocess.run(command, check=False, capture_output=True, text=True)
                assert done.returncode == 0, done.stdout
            built_image, pulled = Store(store).get(image), Store(tmp_path / "bees").get(image)
            assert (pulled.programs, pulled.digest) == (built_image.programs, built_image.digest)
