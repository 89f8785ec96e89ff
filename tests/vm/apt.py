"""Packages of other Debian suites, fetched from this machine's own mirror and installed nowhere.

A private root of apt holds their lists; the machine's apt is only asked which mirror it uses.
"""

import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TARGET: Final = "$(COMPONENT)|$(LABEL)|$(RELEASE)|$(REPO_URI)"
_SUITES: Final = (
    *("sid", "unstable", "testing", "stable", "oldstable", "oldoldstable"),
    *("bullseye", "bookworm", "trixie", "forky", "duke"),
)


class Unavailable(Exception):  # noqa: N818 - a reason to skip
    """What this machine lacks."""


class Apt:
    """Asks about the packages of ``suites``; ``folder`` keeps the lists."""

    def __init__(self, folder: Path, suites: tuple[str, ...], architecture: str) -> None:
        self._root = folder / "apt" / f"{'+'.join(suites)}-{architecture}"
        self._suites = suites
        for name in ("lists/partial", "cache/archives/partial"):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        (self._root / "status").touch()
        mirror = _mirror()
        lines = [
            f"deb [arch={architecture} signed-by={_KEYS}] {mirror} {suite} main\n"
            for suite in suites
        ]
        (self._root / "sources.list").write_text("".join(lines))
        options = {
            "Dir::Etc::sourcelist": self._root / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": self._root / "lists",
            "Dir::State::status": self._root / "status",
            "Dir::Cache": self._root / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",
        }
        self._options = [
            word for name, value in options.items() for word in ("-o", f"{name}={value}")
        ]

    def names(self, prefix: str) -> list[str]:
        """Return the suites' packages that begin with ``prefix``, as the mirror has them now."""
        self._run(["apt-get", "-q", "update"], self._root)
        return self._run(["apt-cache", "pkgnames", prefix], self._root).split()

    def needs(self, package: str) -> list[str]:
        """Return the package and all that it depends on; ``names`` comes first."""
        strictly = [
            f"--no-{word}"
            for word in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        ]
        told = self._run(["apt-cache", "depends", "--recurse", *strictly, package], self._root)
        # Packages only: not " Depends: ...", nor "<virtual>".
        return [line for line in told.splitlines() if line[:1].isalnum()]

    def unpack(self, package: str, wanted: Callable[[str], bool], target: Path) -> None:
        """Fetch a package; write the files whose path in it is ``wanted`` below ``target``."""
        with self._downloaded(package) as archives:
            command = ["dpkg-deb", "--fsys-tarfile", *map(str, archives)]
            with (
                subprocess.Popen(command, stdout=subprocess.PIPE) as process,
                tarfile.open(fileobj=process.stdout, mode="r|") as files,
            ):
                for member in files:
                    if wanted(member.name) and (content := files.extractfile(member)):
                        path = target / member.name
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(content.read())

    def unpack_all(self, packages: Sequence[str], target: Path) -> None:
        """Fetch packages; write all that they hold below ``target``."""
        with self._downloaded(*packages) as archives:
            for archive in archives:
                subprocess.run(["dpkg-deb", "--extract", archive, target], check=True)

    @contextmanager
    def _downloaded(self, *packages: str) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory() as folder:
            self._run(["apt-get", "-q", "download", *packages], Path(folder))
            yield sorted(Path(folder).glob("*.deb"))

    def _run(self, command: list[str], folder: Path) -> str:
        ended = subprocess.run(
            [command[0], *self._options, *command[1:]],
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            told = [line for line in ended.stderr.splitlines() if line.startswith("E:")] or [
                ended.stderr.strip()
            ]
            raise Unavailable(f"{' '.join(command)}, {'+'.join(self._suites)}: {told[0]}")
        return ended.stdout


def _mirror() -> str:
    """Return the address of the Debian mirror in apt's sources."""
    command = ["apt-get", "indextargets", "--format", _TARGET, "Created-By: Packages"]
    try:
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"apt's sources cannot be read: {error}") from None
    for line in told.splitlines():
        component, label, release, address = line.split("|")
        if component == "main" and label in {"", "Debian"} and release in _SUITES:
            return address
    raise Unavailable("apt's sources name no Debian mirror")
