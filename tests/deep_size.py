"""How much memory something takes, with all that only it refers to."""

import gc
import sys
from collections.abc import Collection
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from flask import Flask
from jinja2 import Environment, Template
from sqlalchemy import Dialect, MetaData, Table
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeEngine

SHARED = (
    type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, CodeType,
    MetaData, Table, TypeEngine, Dialect, Mapper, Flask, Environment, Template,
)  # fmt: skip
"""Kinds of things that a process has anyway."""


def deep_size(*found: Any, known: Collection[int] = ()) -> int:
    """Bytes. known: addresses of what is not counted."""
    seen, left, size = set[int](), list(found), 0
    own = set(map(id, found))
    while left:
        one = left.pop()
        address = id(one)
        if address in seen or isinstance(one, SHARED) or (address in known and address not in own):
            continue
        seen.add(address)
        size += sys.getsizeof(one, 0)
        left.extend(gc.get_referents(one))
    return size
