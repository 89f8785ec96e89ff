"""Error messages in a server's answer, as one safe line."""

import json
import re
from typing import Final

from beepy.text import excerpt

_MAX_WORDS: Final = 160
_PAGES: Final = {"text/html": "an HTML page", "application/xhtml+xml": "an HTML page"}


def page(body: bytes, content_type: str) -> str:
    """Return what a body of markup is, such as "an HTML page (text/html)"; "" if it is none."""
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return ""
    media_type = content_type.partition(";")[0].strip().lower()
    is_html = re.match(rb"\W*<(?:!doctype )?html\b", body, re.IGNORECASE)
    name = "an HTML page" if is_html else _PAGES.get(media_type, "a page")
    return f"{name} ({excerpt(media_type, 60)})" if media_type else name


def words(body: bytes, content_type: str) -> str:
    """Return a JSON body's first error, a text's first line, or what ``page`` returns; else ""."""
    if markup := page(body, content_type):
        return markup
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return ""
    if text.lstrip().startswith(("{", "[")):
        return _first_error(text)
    return excerpt(
        next((line.strip() for line in text.splitlines() if line.strip()), ""), _MAX_WORDS
    )


def _first_error(text: str) -> str:
    """Parse ``{"errors": [{"code", "message"}]}`` (distribution), or what token servers send."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    errors = answer.get("errors")
    error = (
        errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else answer
    )
    names = ("code", "error", "message", "error_description", "details")
    words = [error[name] for name in names if isinstance(error.get(name), str) and error[name]]
    return excerpt(": ".join(words[:2]), _MAX_WORDS)
