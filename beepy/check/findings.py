"""What is found before an object runs."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from beepy.core.resolve import Fixup

ERROR: Final = "error"
WARNING: Final = "warning"


class Finding(NamedTuple):
    """What is in the way: ``level`` ERROR or WARNING. ``skipped``: run --missing skip leaves that program out."""

    level: str
    text: str
    skipped: bool = False


class Checked(NamedTuple):
    """``fixups`` are what each CO-RE relocation becomes, by program; a program that could not be resolved has none."""

    kernel: str
    findings: tuple[Finding, ...]
    fixups: Mapping[str, tuple[Fixup, ...]]

    @property
    def runs(self) -> bool:
        """Tell whether nothing is in the way."""
        return not any(one.level == ERROR for one in self.findings)
