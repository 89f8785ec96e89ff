"""The sections of ``--help`` in their order; options without one are in the first."""

from typing import Final

OPTIONS: Final = "Options"
SHOW: Final = "What to show"
ATTACH: Final = "Where programs attach"
METRICS: Final = "Metrics"
LOAD: Final = "How programs are loaded"
REGISTRIES: Final = "Images and registries"
SIGNATURES: Final = "Signatures"
GENERAL: Final = "General"

ORDER: Final = (OPTIONS, SHOW, ATTACH, METRICS, LOAD, REGISTRIES, SIGNATURES, GENERAL)
