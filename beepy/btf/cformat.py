"""Format types as C writes them: ``struct event``, ``char[16]``, ``const struct task_struct *``."""

from typing import Final

from beepy.btf import types
from beepy.btf.btf import MAX_NAME, Btf
from beepy.btf.types import TypeId
from beepy.text import safe

_MAX_DEPTH: Final = 16
_MAX_PARAMETERS: Final = 16  # of a function, if they are shown


def c_type(btf: Btf, type_id: TypeId) -> str:
    """Return the type's name in C, safe for a terminal. Raises BtfError for a malformed type.

    The text is bounded: types nested too deeply become ``...``, and so do the parameters of a
    function that has many, or is itself a parameter. A name longer than the kernel takes is cut.
    """
    return _c_type(btf, type_id, 0, parameters=True)


def _c_type(btf: Btf, type_id: TypeId, depth: int, *, parameters: bool) -> str:
    if depth > _MAX_DEPTH:
        return "..."
    declared = btf.type(type_id)
    match declared:
        case types.Ptr(target):
            inner = _c_type(btf, target, depth + 1, parameters=parameters)
            return f"{inner}*" if inner.endswith("*") else f"{inner} *"
        case types.Array(element, _, nelems):
            inner, bracket, rest = _c_type(
                btf, element, depth + 1, parameters=parameters
            ).partition("[")
            return f"{inner}[{nelems}]{bracket}{rest}"
        case types.Const(target) | types.Volatile(target) | types.Restrict(target):
            inner = _c_type(btf, target, depth + 1, parameters=parameters)
            return f"{type(declared).__name__.lower()} {inner}"
        case types.TypeTag(_, target) | types.Var(_, target, _) | types.DeclTag(_, target, _):
            return _c_type(btf, target, depth + 1, parameters=parameters)
        case (
            types.Struct(name=name)
            | types.Union(name=name)
            | types.Enum(name=name)
            | types.Enum64(name=name)
        ):
            keyword = type(declared).__name__.lower().removesuffix("64")
            return f"{keyword} {_shown(name)}" if name else f"{keyword} {{...}}"
        case types.Fwd(name, union):
            return f"{'union' if union else 'struct'} {_shown(name)}"
        case types.FuncProto(target, params):
            returned = _c_type(btf, target, depth + 1, parameters=False)
            if not parameters or len(params) > _MAX_PARAMETERS:
                return f"{returned} (...)"
            shown = [_c_type(btf, param.type, depth + 1, parameters=False) for param in params]
            return f"{returned} ({', '.join(shown)})"
        case (
            types.Func(name=name)
            | types.Int(name=name)
            | types.Float(name=name)
            | types.Typedef(name=name)
        ):
            return _shown(name)
        case types.DataSec(name=name) | types.Void(name):
            return _shown(name)


def _shown(name: str) -> str:
    return safe(name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}...")
