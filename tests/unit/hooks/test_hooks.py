"""The functions of mechanisms are looked up by name: a misspelled one would be ignored."""

import inspect
from importlib import import_module
from types import FunctionType

import pytest

from beepy.sections import Mechanism

PARAMETERS = {
    "attach": ["program", "target"],
    "points": ["target", "machine"],
    "reader": ["program", "target", "spec"],
}


def public(module: object) -> dict[str, FunctionType]:
    name = getattr(module, "__name__", "")
    return {
        function: value
        for function, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == name and function[0] != "_"
    }


@pytest.mark.parametrize("mechanism", Mechanism)
def test_a_module_has_the_functions_that_are_looked_up(mechanism: Mechanism) -> None:
    module = import_module(f"beepy.hooks.{mechanism.module}")
    functions = public(module)
    assert "attach" in functions
    for name, parameters in PARAMETERS.items():
        if name in functions:
            given = [
                parameter.strip("_") for parameter in inspect.signature(functions[name]).parameters
            ]
            assert given[: len(parameters)] == parameters
    assert hasattr(module, "KIND") == hasattr(module, "cleanup")


@pytest.mark.parametrize("mechanism", Mechanism)
def test_no_public_function_is_nearly_one_of_them(mechanism: Mechanism) -> None:
    module = import_module(f"beepy.hooks.{mechanism.module}")
    near = {"point", "readers", "clean_up", "undo", "exists"}
    assert near.isdisjoint(public(module))


def test_each_kind_of_journal_entry_has_one_function() -> None:
    modules = [import_module(f"beepy.hooks.{mechanism.module}") for mechanism in Mechanism]
    cleanups = {(module.KIND, module.cleanup) for module in modules if hasattr(module, "KIND")}
    assert len(cleanups) == len({kind for kind, _ in cleanups})
