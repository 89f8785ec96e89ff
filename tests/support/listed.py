"""What is in a directory."""

from pathlib import Path


def listed(directory: Path | str = ".") -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted([path.name for path in Path(directory).iterdir()])
