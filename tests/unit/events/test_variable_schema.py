"""What the schema of a variable accepts can be set, and what it refuses cannot."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.errors import UsageError
from beepy.events.variable_schema import of_spec
from beepy.events.variables import apply
from beepy.obj.spec import Parameter, VariableSpec
from tests.support.variables import Variables

SPEC = Variables().spec()
SCHEMAS = of_spec(SPEC, {"number": 7, "flag": True, "mac": "00ff", "signed": "x"})
_ADDRESSES = {"ipv4": "10.0.0.1", "ipv6": "fe80::1"}


def samples(schema: dict[str, Any]) -> list[Any]:
    """Return values that a schema accepts: the smallest, the largest, each name."""
    if "anyOf" in schema:
        return [*schema["anyOf"][0]["enum"], 0]
    match schema["type"]:
        case "integer":
            return [schema["minimum"], schema["maximum"]]
        case "boolean":
            return [True, False]
        case "number":
            return [0, -1.5]
        case "string":
            return [_ADDRESSES.get(schema.get("format", ""), "x" * schema.get("maxLength", 0))]
        case "array":
            return [[], samples(schema["items"])[:1] * schema["maxItems"]]
        case _:
            return [{}, {name: samples(member)[0] for name, member in schema["properties"].items()}]


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_accepted_can_be_set(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    checks = Draft202012Validator(SCHEMAS[name])
    for value in samples(SCHEMAS[name]):
        checks.validate(value)
        apply(SPEC, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("small", 256), ("small", -1), ("signed", 1 << 31), ("tiny", -129), ("large", 1.5),
        ("huge", 1 << 128), ("name", "x" * 8), ("table", [0] * 5), ("table", [-1]),
        ("matrix", [[256]]), ("points", [{"low": 8}]), ("points", [{"z": 1}]), ("ratio", [1]),
        ("mac", [256]), ("loop", {"count": 1}),
    ],
)  # fmt: skip
def test_what_is_refused_cannot_be_set(name: str, value: Any) -> None:  # noqa: ANN401
    assert not Draft202012Validator(SCHEMAS[name]).is_valid(value)
    with pytest.raises(UsageError):
        apply(SPEC, {name: value})


def test_what_cannot_be_set_is_left_out() -> None:
    assert not {"pointer", "CONFIG_HZ"} & SCHEMAS.keys()
    assert {".data:twice", ".bss:twice", "loop.count"} <= SCHEMAS.keys()


def test_defaults_are_those_that_the_type_has() -> None:
    defaults = {name: schema["default"] for name, schema in SCHEMAS.items() if "default" in schema}
    assert defaults == {"number": 7, "flag": True}


def test_a_parameter_has_the_type_of_its_variable_and_the_formats_words() -> None:
    parameters = (Parameter("min", "number", "5", "what is shown"), Parameter("other", "gone"))
    schemas = of_spec(SPEC._replace(parameters=parameters), {})
    described = {"description": "what is shown; default: 5"}
    assert schemas["min"] == {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, **described}
    assert schemas["other"] == {"description": ""}


def test_types_that_contain_very_many_are_cut() -> None:
    w = BtfWriter()
    inner = w.struct("leaf", 4, [("x", w.integer(), 0)])
    for _ in range(12):
        inner = w.struct("node", 4, [(f"m{number}", inner, 0) for number in range(16)])
    variable = VariableSpec("bomb", ".data", inner, 0, 4, False)
    schemas = of_spec(SPEC._replace(btf=Btf(w.data()), variables=(variable,)), {})
    assert len(str(schemas)) < 2 << 20


def test_an_integer_without_bits_is_left_out() -> None:
    w = BtfWriter()
    variable = VariableSpec("none", ".data", w.integer(size=0), 0, 4, False)
    assert of_spec(SPEC._replace(btf=Btf(w.data()), variables=(variable,)), {}) == {}
