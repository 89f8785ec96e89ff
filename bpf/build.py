"""Compile our C sources, and write the image layout that is shipped.

::

    python bpf/build.py images [--clang clang-14]                 write images/
    python bpf/build.py objects DIR [--clang clang-16] [NAME...]  compile bpf/ and bpf/test/ to DIR

The bytes depend on the sources and on clang alone, not on the directory of the sources.
"""

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from beepy.oci.manifest import resolve
from beepy.oci.store import Store
from beepy.toolchain.architectures import INCLUDE

SOURCES = Path(__file__).resolve().parent
LAYOUT = SOURCES.parent / "images"
CLANG = "clang-14"
"""What the committed images are made with: Debian 12's."""

COMPILERS = (CLANG, "clang-16", "clang-19", "clang")
"""What compiles test programs; see ``compiler``."""

COMPILER = "org.llvm.clang"
"""Annotation of a manifest: the version of clang that made it."""

IMAGES: Mapping[str, str] = {
    "exitsnoop": "threads that end, with exit code or signal",
    "exitsnoop-counter": "threads that end, as a counter",
    "exitsnoop-old": "threads that end, with exit code or signal; "
    "in the convention of bee up to 0.0.14",
    "exitsnoop-old-counter": "threads that end, as a counter; "
    "in the convention of bee up to 0.0.14",
    "opensnoop": "files that are opened, or could not be",
    "execsnoop": "programs that are started, with their arguments",
    "tcpconnect": "TCP connections that processes open",
    "tcpconnlat": "how long TCP connections take to be established",
    "tcplife": "TCP connections that end: how long they lived, and how much they carried",
    "activeconn": "TCP connections that are open now, as a gauge",
    "oomkill": "processes that are killed because memory ran out",
    "capable": "capabilities that the kernel looks for in processes",
    "biolatency": "how long disks take to answer, as a histogram",
    "runqlat": "how long threads wait for a processor, as a histogram",
    "xdpcount": "packets that an interface receives, counted by protocol",
    "bashreadline": "lines that are typed into bash",
}
"""Name -> description, in the order of the index."""

_AUTHORS = "beepy maintainers"
_PLATFORM = {"architecture": "x86_64", "os": "Linux"}  # in bee's words

_FLAGS = (
    "-target", "bpf",
    "-mcpu=v3",  # 32-bit instructions and jumps: Linux 5.1
    "-O2", "-g", "-Wall", "-Wextra",
    "-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers",
    "-D__TARGET_ARCH_x86",
    "-I/usr/include/x86_64-linux-gnu",  # asm/types.h
    f"-I{INCLUDE}",  # solo_types.h
    "-fdebug-compilation-dir=.",  # .BTF.ext holds the sources' paths
)  # fmt: skip


def sources() -> dict[str, Path]:
    """Return every object's name and its source, as a path under ``SOURCES``."""
    found = sorted(SOURCES.glob("*.bpf.c")) + sorted(SOURCES.glob("test/*.bpf.c"))
    return {path.name.removesuffix(".bpf.c"): path.relative_to(SOURCES) for path in found}


def compiler() -> str:
    """Return the first of ``COMPILERS`` that is installed, "" if none is."""
    return next(filter(shutil.which, COMPILERS), "")


def version(clang: str) -> str:
    """Return a clang's version, such as ``14.0.6``."""
    text = subprocess.run([clang, "--version"], check=True, capture_output=True, text=True).stdout
    match = re.search(r"clang version (\d+\.\d+\.\d+)", text)
    if match is None:
        raise SystemExit(f"{clang}: no version in: {text.strip()}")
    return match[1]


def objects(
    folder: Path, clang: str = CLANG, names: Iterable[str] = (), flags: Sequence[str] = ()
) -> dict[str, Path]:
    """Compile the named sources (none: all) to ``folder/NAME.o``; return the objects.

    ``flags`` are more of clang's.
    """
    known = sources()
    chosen = list(names) or list(known)
    if unknown := sorted(set(chosen) - known.keys()):
        raise SystemExit(f"no source for: {', '.join(unknown)}")
    folder.mkdir(parents=True, exist_ok=True)
    built = {name: folder.resolve() / f"{name}.o" for name in chosen}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: _compile(known[name], built[name], clang, flags), chosen))
    return built


def _compile(source: Path, target: Path, clang: str, flags: Sequence[str]) -> None:
    strip = clang.replace("clang", "llvm-strip")
    for command in (
        [clang, *_FLAGS, *flags, "-c", str(source), "-o", str(target)],
        [strip if shutil.which(strip) else "llvm-strip", "-g", str(target)],
    ):
        if subprocess.run(command, check=False, cwd=SOURCES).returncode:
            raise SystemExit(f"failed: {' '.join(command)}")


def images(layout: Path, folder: Path, clang: str = CLANG) -> None:
    """Compile the images' sources into ``folder``, and make them the only content of ``layout``."""
    built = objects(folder, clang, IMAGES)
    (layout / "index.json").unlink(missing_ok=True)
    store = Store(layout)
    for name, description in IMAGES.items():
        annotations = {
            "org.opencontainers.image.authors": _AUTHORS,
            "org.opencontainers.image.description": description,
            COMPILER: version(clang),
        }
        digest = store.add_image(name, built[name].read_bytes(), annotations, _PLATFORM)
        print(f"{digest} {name}")
    _sweep(store)


def _sweep(store: Store) -> None:
    """Remove the blobs that no image needs, and the folder for unfinished files."""
    needed = set()
    for name in store.names():
        found = store.find(name)
        assert found is not None
        descriptor, manifest = resolve(found[1], store.layout.read, name)
        needed |= {descriptor.digest, *(blob.digest for blob in manifest.blobs)}
    for blob in (store.path / "blobs" / "sha256").iterdir():
        if f"sha256:{blob.name}" not in needed:
            blob.unlink()
    (store.path / "ingest").rmdir()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description="compile our C sources, and write the image layout"
    )
    parser.add_argument(
        "what", choices=("images", "objects"), help="the layout that is shipped, or objects alone"
    )
    parser.add_argument("folder", nargs="?", type=Path, help="of the objects")
    parser.add_argument("names", nargs="*", help="of the objects; none: all")
    parser.add_argument(
        "--clang", default=os.environ.get("CLANG", CLANG), help="default: $CLANG, else %(default)s"
    )
    options = parser.parse_intermixed_args()
    if options.what == "images":
        images(LAYOUT, SOURCES.parent / "build" / "bpf", options.clang)
    elif options.folder is None:
        parser.error("objects: a folder is needed")
    else:
        objects(options.folder, options.clang, options.names)


if __name__ == "__main__":
    main()
