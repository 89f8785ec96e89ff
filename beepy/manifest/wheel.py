"""The wheel of the running beepy, for a container."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from beepy.errors import BeepyError, UsageError
from beepy.text import excerpt, safe

DISTRIBUTION: Final = "beepy-ebpf"

_ROOT: Final = Path(__file__).parents[2]
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_.+]+(?:-[A-Za-z0-9_.+]+){4,5}\.whl")  # PEP 427's parts
_SPARES: Final = "--wheel FILE takes a wheel that exists, --beepy-image NAME needs none"


def add(directory: Path, version: str, given: Path | None) -> str:
    """Return what pip installs in a container: a wheel that is put into ``directory``, by name.

    The wheel is the ``given`` file, else one of the checkout that beepy runs from. An installed
    beepy has no wheel any more: its version is returned as a requirement. Raises UsageError for
    what is not a wheel, BeepyError if none can be built.
    """
    if given:
        if not _FILE_NAME.fullmatch(given.name) or not given.is_file():
            raise UsageError(f"{safe(str(given))}: not a wheel, NAME-VERSION-...-any.whl")
        shutil.copyfile(given, directory / given.name)
        return given.name
    if is_checkout(_ROOT):
        return _build(_ROOT, directory)
    return f"{DISTRIBUTION}=={version}"


def is_checkout(directory: Path) -> bool:
    """Tell whether a directory has beepy's sources, not only its installed modules."""
    try:
        project = tomllib.loads((directory / "pyproject.toml").read_text("utf-8")).get("project")
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == DISTRIBUTION


def _build(root: Path, directory: Path) -> str:
    """Build a wheel of ``root`` by its build backend; return the file's name."""
    if not find_spec("pip"):
        error = BeepyError(f"wheel of {safe(str(root))}: pip is not installed")
        error.add_note(_SPARES)
        raise error
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # with the backend at hand nothing is downloaded
    backend = ["--no-build-isolation"] if find_spec("hatchling") else []
    command = [*pip, "wheel", "--no-deps", *backend, "--wheel-dir", str(directory), str(root)]
    done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)  # noqa: S603 - our own words
    names = [path.name for path in directory.glob("*.whl")]
    if done.returncode or len(names) != 1:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no wheel"]
        error = BeepyError(f"wheel of {safe(str(root))}: pip wheel: {excerpt(lines[-1], 300)}")
        error.add_note(_SPARES)
        raise error
    return names[0]
