"""SHA-256 without OpenSSL, which takes 3 ms to load; the standard ``random`` does the same.

``sha256`` has hashlib's interface: ``sha256(data)``, ``update``, ``hexdigest``.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final


def _import() -> Callable[..., Any]:
    try:
        module = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:  # a build may lack it
        module = import_module("hashlib")
    return module.sha256  # type: ignore[no-any-return]


sha256: Final = _import()
