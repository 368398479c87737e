"""Do two vision models see alike, layer by layer, and how?

A model is a graph of named tensors; a question is a value; equal values are computed once.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> where it lives; a name that is a module is that module
PUBLIC = {
    "Results": "results",
    "claims": "claims",
    "figures": "figures",
    "report": "report",
    "load_study": "study.toml",
    "run": "answering",
    "answer": "notebook",
    "cka": "notebook",
    "features": "notebook",
    "laws": "laws",
    "surgery": "surgery",
}


def __getattr__(name: str) -> Any:
    """Names come when they are asked for: reading answers must not import torch."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'seealike' has no attribute {name!r}")
    module = import_module(f"seealike.{PUBLIC[name]}")
    return module if PUBLIC[name] == name else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(PUBLIC)
