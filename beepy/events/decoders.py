"""The decoders of one object: maps and variables of the same types share one."""

from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.decoder import Decoder


class Decoders:
    """Makes the decoders of many maps and variables of one object, for what looks at all of them.

    ``describe`` does: an object may have thousands of maps, and their types are compiled once and
    within one budget. A failure is remembered, too. A run makes a ``Decoder`` for each map that it
    shows, which knows that map's name and keeps its formats.
    """

    def __init__(self) -> None:
        self._by_types: dict[Schema, Decoder | BtfError] = {}
        self._budget = Budget()

    def of(self, schema: Schema) -> Decoder:
        """Return a decoder for the schema's types. Raises BtfError.

        Its own ``schema`` may be that of another map: use it for fields, not for names.
        """
        types = schema._replace(image="", map="", role=None, metric="", metric_value="", metrics=())
        decoder = self._by_types.get(types)
        if decoder is None:
            try:
                decoder = Decoder(schema, self._budget)
            except BtfError as error:
                decoder = error
            self._by_types[types] = decoder
        if isinstance(decoder, BtfError):
            raise decoder
        return decoder
