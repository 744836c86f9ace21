"""JSON from clients: parsed in linear time, and refused where two parsers could disagree."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from pydantic import JsonValue

from app.business.errors import Refusal

DEEPEST = 64
LONGEST_NUMBER = 400
"""Characters of a number; a longer one is no double."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Malformed(Refusal):
    """The request cannot be parsed."""

    status = 400
    code = "malformed"


def read_json(raw: bytes) -> JsonValue:
    """The value of a JSON text. Raises Malformed, which says what is wrong with it."""
    try:
        value: JsonValue = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_without_repeats,
            parse_constant=_not_a_number,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    _check_depth(value)
    return value


def has_unpaired_surrogate(value: JsonValue | Mapping[str, JsonValue]) -> bool:
    """Whether a text in it, or a key, holds an unpaired surrogate, which neither database nor answers accept."""
    return _holds(value, _SURROGATE)


def is_storable(value: JsonValue | Mapping[str, JsonValue]) -> bool:
    """Whether the databases can store all its texts and keys: without unpaired surrogates and NUL."""
    return not _holds(value, _UNSTORABLE)


def _holds(value: JsonValue | Mapping[str, JsonValue], pattern: re.Pattern[str]) -> bool:
    level: list[JsonValue | Mapping[str, JsonValue]] = [value]
    while level:
        if any(isinstance(node, str) and pattern.search(node) for node in level):
            return True
        level = [child for node in level for child in (*_keys(node), *_children(node))]
    return False


def _keys(node: JsonValue | Mapping[str, JsonValue]) -> Iterable[str]:
    return node if isinstance(node, Mapping) else ()


def _without_repeats(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Malformed(
            f"The key “{_first_repeat(name for name, _ in pairs)[:64]}” stands twice in one object."
        )
    return members


def _first_repeat(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _not_a_number(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text) if len(text) <= LONGEST_NUMBER else math.inf
    if not math.isfinite(number):
        raise _too_large()
    return number


def _whole(text: str) -> int:
    """Whole numbers beyond a double would change wherever they are compared."""
    _finite(text)
    return int(text)


def _check_depth(value: JsonValue) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _too_deep()


def _children(node: JsonValue | Mapping[str, JsonValue]) -> Iterable[JsonValue]:
    if isinstance(node, Mapping):
        return node.values()
    return node if isinstance(node, list) else ()


def _too_deep() -> Malformed:
    return Malformed("This JSON is nested too deeply.")


def _too_large() -> Malformed:
    return Malformed("A number in this JSON is too large.")
