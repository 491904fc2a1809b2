"""Names and codes of vertex types beyond the feed-forward vocabulary, whose own codes are left as they are."""

from collections.abc import Mapping
from types import MappingProxyType

from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.modules.functions import OPERATIONS
from netgraph.graph.modules.parts import TYPES

#: Codes of types that only general networks have start here.
FIRST_GENERAL_CODE = 64
_SAME = {"Iadd": "Add", "Isub": "Sub", "Imul": "Mul", "Itruediv": "Div", "Truediv": "Div", "TrueDivide": "Div",
         "Rsub": "Sub", "Concatenate": "Concat", "Cat": "Concat", "Neg": "Neg"}  # fmt: skip
#: Parts of composite layers: attention proper, and a recurrent layer's hidden units one step earlier.
ATTENTION, EARLIER = "Attention", "Earlier"
_MODULE_TYPES = {name.lower(): name for name in TYPES}


def type_of_operation(name: str) -> str:
    """Name the vertex type of an operation: that of the module that does the same, where there is one."""
    base = name.split(".")[1].strip("_")
    found = _MODULE_TYPES.get(base.replace("_", ""))
    title = base.title().replace("_", "")
    return found or _SAME.get(title, title)


def _codes() -> Mapping[str, int]:
    own = {name: kind.code for name, kind in LAYER_TYPES.items()}
    names = {*TYPES, *map(type_of_operation, OPERATIONS), ATTENTION, EARLIER} - own.keys()
    return MappingProxyType(own | {name: FIRST_GENERAL_CODE + i for i, name in enumerate(sorted(names))})


#: Code of every vertex type.
CODES = _codes()
#: Name of every vertex type by its code.
NAMES: Mapping[int, str] = MappingProxyType({code: name for name, code in CODES.items()})
