"""The sections of ``--help`` in their order; options without one are in the first."""

from typing import Final

OPTIONS: Final = "Options"
COMPILE: Final = "How it is compiled"
SHOW: Final = "What to show"
ATTACH: Final = "Where programs attach"
METRICS: Final = "Metrics"
LOAD: Final = "How programs are loaded"
REGISTRIES: Final = "Images and registries"
SIGNATURES: Final = "Signatures"
GENERAL: Final = "General"

ORDER: Final = (OPTIONS, COMPILE, SHOW, ATTACH, METRICS, LOAD, REGISTRIES, SIGNATURES, GENERAL)
