"""What the functions of a program know of each other: it only grows.

A block of code that has asked for a fact is walked again when more becomes known of it.
"""

from typing import NamedTuple

from beepy.flow.values import Values, join


class Fact(NamedTuple):
    """The name of a fact: ``function`` is the first instruction of the function that it is about.

    ``kind`` is "returned"; "slot", with its ``offset`` from the frame pointer, as other functions
    read it; "overwritten", if other functions have; "lost", if an address on a stack may be where
    it cannot be followed.
    """

    kind: str
    function: int = 0
    offset: int = 0


LOST = Fact("lost")


class Facts:
    """The facts, and who has asked: ``block`` is what is being walked, ``outdated`` what to walk.

    Whoever walks sets the one and empties the other.
    """

    def __init__(self) -> None:
        self.known: dict[Fact, Values] = {}
        self.block = 0
        self.outdated: set[int] = set()
        self._readers: dict[Fact, set[int]] = {}

    def learn(self, fact: Fact, values: Values) -> None:
        """Join values to a fact."""
        known = self.known.get(fact)
        joined = values if known is None else join(known, values)
        if joined is not known:
            self.known[fact] = joined
            self.outdated |= self._readers.get(fact, set())

    def recall(self, fact: Fact) -> Values | None:
        """Return a fact, None if nothing is known of it yet."""
        self._readers.setdefault(fact, set()).add(self.block)
        return self.known.get(fact)
