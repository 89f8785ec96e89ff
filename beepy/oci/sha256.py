"""SHA-256 without OpenSSL, which takes 3 ms to load; the standard ``random`` does the same.

``sha256`` has hashlib's interface: ``sha256(data)``, ``update``, ``hexdigest``.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final


def _import() -> Callable[..., Any]:
    for module in ("_sha2", "_sha256"):  # Python 3.12, 3.11; a build may lack either
        try:
            return import_module(module).sha256  # type: ignore[no-any-return]
        except ImportError:
            continue
    import hashlib  # noqa: PLC0415 - see above

    return hashlib.sha256


sha256: Final = _import()
