"""The sections of ``--help`` in their order: commands, then options."""

from typing import Final

RUN: Final = "Run images"
STORE: Final = "Local store"
REGISTRY: Final = "Registries"
MAKE: Final = "Make images"
OTHERS: Final = "Others"

COMMANDS: Final = (RUN, STORE, REGISTRY, MAKE, OTHERS)

OPTIONS: Final = "Options"
COMPILE: Final = "How it is compiled"
SHOW: Final = "What to show"
WHOSE: Final = "Whose events"
ATTACH: Final = "Where programs attach"
METRICS: Final = "Metrics"
COST: Final = "What programs cost and print"
LOAD: Final = "How programs are loaded"
REGISTRIES: Final = "Images and registries"
SIGNATURES: Final = "Signatures"
GENERAL: Final = "General"

# options without a section are in the first
ORDER: Final = (
    OPTIONS,
    COMPILE,
    SHOW,
    WHOSE,
    ATTACH,
    METRICS,
    COST,
    LOAD,
    REGISTRIES,
    SIGNATURES,
    GENERAL,
)
