"""How the screen shows that something is sorted: a mark in the heading, words in the title."""

from beepy.events.order import Order


def sort_mark(order: Order) -> str:
    """Return what stands behind the name of a column."""
    return "▼" if order.largest_first else "▲"


def sorted_by(name: str, order: Order) -> str:
    """Return what the title says: the column itself may have no room."""
    return f"sorted by {name}{sort_mark(order)}"
