"""Names of network interfaces by their indexes, in beepy's own network namespace."""

import socket


def name(index: int) -> str:
    """Return the name of an interface, "" if there is none of that index."""
    try:
        return socket.if_indextoname(index)
    except (OSError, OverflowError):
        return ""
