"""The sections of ``--help``, in their order."""

from enum import StrEnum


class Panel(StrEnum):
    """What options are about; one without a panel is in the first."""

    OPTIONS = "Options"
    SHOW = "What to show"
    ATTACH = "Where programs attach"
    METRICS = "Metrics"
    LOAD = "How programs are loaded"
    REGISTRIES = "Images and registries"
    GENERAL = "General"
