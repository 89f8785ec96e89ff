"""The decoders of one object: maps and variables of the same types share one."""

from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.decoder import Decoder


class Decoders:
    """Makes each decoder once, all of them within one budget; a failure is kept as well."""

    def __init__(self) -> None:
        self._made: dict[object, Decoder | BtfError] = {}
        self._budget = Budget()

    def of(self, schema: Schema) -> Decoder:
        """Return a decoder for the schema; its own schema may be that of another map. Raises BtfError."""
        types = schema._replace(image="", map="", role=None, metric="", metric_value="")
        made = self._made.get(types)
        if made is None:
            try:
                made = Decoder(schema, budget=self._budget)
            except BtfError as error:
                made = error
            self._made[types] = made
        if isinstance(made, BtfError):
            raise made
        return made
