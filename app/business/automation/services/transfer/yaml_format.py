"""Reads and writes rules as YAML 1.2 text with plain values only.

Files are not trusted: no tags, no anchors (a small text could expand to a huge one), no duplicate keys, no implicit
dates or sexagesimal numbers, limited size and depth.
"""

import re
from typing import Any, ClassVar

import yaml

from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.errors import Invalid, TooLarge

MOST_BYTES = 256 * 1024
FORMAT = 1
HEADER = "# Rules of IGNY8 Automation. They name sites, rules and people, so they can be taken into another account.\n"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_WORDS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    "float": (r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?", list("-+0123456789")),
}


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML carries no types
    """SafeLoader, restricted to the data types of JSON."""

    yaml_implicit_resolvers: ClassVar[JsonObject] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused("Anchors (& and *) are not taken: write the value out", event)
        if getattr(event, "tag", None):
            raise _refused("Tags (!) are not taken: write plain values", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _refused("A key is a plain word", key)
            if key.value in seen:
                raise _refused(f"“{key.value[:64]}” stands twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _PlainDumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML carries no types
    """SafeDumper that also quotes every text which the loader above would read as another type."""

    def ignore_aliases(self, data: Json) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        # Other line breaks than ⏎ are folded into spaces on reading unless they are escaped.
        style = '"' if _ODD_BREAKS.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_PlainDumper.add_representer(str, _PlainDumper.represent_str)
_PlainDumper.yaml_implicit_resolvers = {
    first: list(known) for first, known in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
for _name, (_pattern, _first) in _WORDS.items():
    for _class in (_PlainLoader, _PlainDumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})\Z"), _first)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_PlainLoader.add_constructor(
    "tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node))
)


def rules_text(rules: list[JsonObject]) -> str:
    text: str = yaml.dump(
        {"format": FORMAT, "rules": rules},
        Dumper=_PlainDumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
    )
    return HEADER + text


def read_rules(text: str) -> list[Json]:
    """The list under `rules`, not validated further. Raises Invalid with the line, TooLarge."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise TooLarge(f"The file is larger than {MOST_BYTES // 1024} kB. Import it in parts.")
    try:
        data = yaml.load(text, _PlainLoader)  # noqa: S506 - our loader makes plain values only
    except yaml.MarkedYAMLError as error:
        raise _invalid(_sentence(error)) from None
    except (yaml.YAMLError, ValueError):
        raise _invalid("This text holds a character that YAML does not know.") from None
    except RecursionError:
        raise _invalid("This file is nested too deeply.") from None
    return _listed(data)


def _listed(data: Json) -> list[Json]:
    if not isinstance(data, dict) or not isinstance(rules := data.get("rules"), list):
        raise _invalid(
            "This is no file of rules: it has no list “rules”. Export a rule to see how one looks."
        )
    unknown = sorted(set(data) - {"format", "rules"})
    if unknown:
        raise _invalid(f"Unknown key “{unknown[0][:64]}” beside “rules”.")
    if data.get("format", FORMAT) != FORMAT:
        raise _invalid(f"This console reads format {FORMAT}; the file says {data['format']!r}.")
    if _holds_unstorable(rules):
        raise _invalid("A character in this file cannot be stored. Remove it.")
    return rules


def _holds_unstorable(value: Json) -> bool:
    if isinstance(value, str):
        return bool(_UNSTORABLE.search(value))
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(map(_holds_unstorable, parts))


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "this is no YAML")
    mark = error.problem_mark or error.context_mark
    if mark and type(error) is not yaml.MarkedYAMLError:  # What PyYAML itself says, which names its tokens.
        return f"Line {mark.line + 1} cannot be read as YAML: {problem}."
    said = problem[:1].upper() + problem[1:]
    return f"Line {mark.line + 1}: {said}." if mark else f"{said}."


def _invalid(sentence: str) -> Invalid:
    return Invalid({"yaml": [sentence]})
