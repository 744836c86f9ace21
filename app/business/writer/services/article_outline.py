"""The outline of an article as a person changes it before it is written."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app.business.errors import Invalid
from app.business.writer.services.article_prompts import Outline


def checked_outline(changed: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The changed outline, complete: title and keywords that it does not name are as before. Raises Invalid."""
    known = {one["heading"].casefold(): one.get("keywords", []) for one in before["sections"]}
    sections = changed.get("sections")
    whole = [
        {"keywords": known.get(str(one.get("heading", "")).casefold(), []), **one}
        if isinstance(one, dict)
        else one
        for one in (sections if isinstance(sections, list) else ())
    ]
    try:
        outline = Outline.model_validate(
            {"title": changed.get("title") or before["title"], "sections": whole}
        )
    except ValidationError:
        message = (
            "The outline needs a title and 1 to 20 sections, each with a heading of 2 to 255 letters and at most 20 "
            "points."
        )
        raise Invalid({"outline": [message]}) from None
    return outline.model_dump()


def outline_text(outline: Mapping[str, Any]) -> str:
    """The sections as text: a line for each heading, and below it its points, each after a dash."""
    lines = []
    for section in outline["sections"]:
        lines += [section["heading"], *(f"- {point}" for point in section["points"])]
    return "\n".join(lines)


def outline_from(text: str) -> dict[str, Any]:
    """The sections of such a text."""
    sections: list[dict[str, Any]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        is_point = line[0] in "-*•" and sections
        if is_point and (point := line[1:].strip()):
            sections[-1]["points"].append(point)
        elif not is_point:
            sections.append({"heading": line.lstrip("#").strip(), "points": []})
    return {"sections": sections}
