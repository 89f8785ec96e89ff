import pytest

from beepy.btf.writer import BtfWriter
from beepy.events.batch import Schema
from beepy.events.decoder import Decoder
from beepy.events.metrics import value_field
from beepy.obj.spec import Role
from tests.support.events import stream, table, with_role


def of_role(role: Role | None) -> Schema:
    w = BtfWriter()
    members = [
        (name, w.integer("u64", 8, 0), 64 * at) for at, name in enumerate(("le", "value", "other"))
    ]
    return with_role(stream(w, w.struct("s", 24, members)), role)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (Role.HIST, "le"),
        (Role.GAUGE, "value"),
        (Role.COUNTER, None),
        (Role.PRINT, None),
        (None, None),
    ],
)
def test_the_convention_names_the_field_with_the_number(
    role: Role | None, name: str | None
) -> None:
    decoder = Decoder(of_role(role))
    field = value_field(decoder.schema, decoder)
    assert (field and field.name) == name


def test_a_given_field_takes_precedence() -> None:
    decoder = Decoder(of_role(Role.GAUGE))
    other = decoder.fields[2]
    assert value_field(decoder.schema, decoder, other) is other


def test_the_number_of_a_table_is_its_value() -> None:
    w = BtfWriter()
    u32, text = w.integer("u32", 4, 0), w.array(w.integer("char", 1, 1), 4)
    decoders = [Decoder(with_role(table(w, u32, value, 4, 4), Role.GAUGE)) for value in (u32, text)]
    fields = [value_field(decoder.schema, decoder) for decoder in decoders]
    assert [field and field.name for field in fields] == ["value", None]
