"""SHA-256 without OpenSSL, which takes 3 ms to load: as the standard library's own ``random`` has its hash.

``sha256`` is hashlib's: ``sha256(data)``, ``update``, ``hexdigest``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final


def _found() -> Callable[..., Any]:
    for module in ("_sha2", "_sha256"):  # Python 3.12, 3.11; either may be left out of a build
        try:
            return import_module(module).sha256  # type: ignore[no-any-return]
        except ImportError:
            continue
    import hashlib  # noqa: PLC0415 - see above

    return hashlib.sha256


sha256: Final = _found()
