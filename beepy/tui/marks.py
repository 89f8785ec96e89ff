"""How the screen shows that something is sorted: a mark in the heading, words in the title."""

from beepy.events.order import Order
from beepy.outputs.columns.panel import PanelOrder


def sort_mark(order: Order | PanelOrder) -> str:
    """Return what stands behind the name of a column."""
    return "▼" if order.largest_first else "▲"


def sorted_by(name: str, order: Order | PanelOrder) -> str:
    """Return what the title says: the column itself may have no room."""
    return f"sorted by {name}{sort_mark(order)}"
