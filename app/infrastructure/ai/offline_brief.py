"""The brief of a page for a writer: what each section must answer, searches, pages to link, facts to find out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.business.language_model import PromptFacts
from app.business.planner.services.search_phrases import as_subject, as_title, asks_figure, is_purchase
from app.infrastructure.ai.brief_labels import ASPECTS, Labels, labels_of
from app.infrastructure.ai.brief_plan import BriefPlan, BriefSection, make_plan, nearest_pages
from app.infrastructure.ai.search_groups import Search

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|&~])")
_LIST_MARK = re.compile(r"^(\d+)([.)])|^([-+=])")
_ADDRESS = re.compile(r"https?://[^\s<>]+")
META_TITLE_LIMIT = 60
META_DESCRIPTION_LIMIT = 155
KEYWORDS_SHOWN = 60
QUESTIONS_SHOWN = 20
SPELLINGS_SHOWN = 4
PAGES_SHOWN = 6
FACTS_SHOWN = 6
TITLES_SHOWN = 3


def draft_brief(facts: PromptFacts, background: PromptFacts) -> dict[str, Any]:
    """A brief in the site's language; of one without labels it consists of the searches alone."""
    labels = labels_of(facts["language"])
    plan = make_plan(facts, background, labels)
    blocks = _with_labels(plan, labels, facts, background) if labels else _searches_alone(plan)
    return {
        "title": facts["title"],
        "body": "\n\n".join(block for block in blocks if block),
        "meta_title": _meta_title(plan),
        "meta_description": _meta_description(plan, labels),
    }


def _with_labels(
    plan: BriefPlan, labels: Labels, facts: PromptFacts, background: PromptFacts
) -> Iterator[str]:
    yield _head(plan, labels, facts, background)
    yield escape(background.get("wish", facts["brief"]))
    for section in plan.sections:
        yield f"## {escape(section.heading)}"
        yield _section(section, plan, labels)
    yield "---"
    yield from _titled(labels.questions, _bullets(as_title(one.head, plan.language) for one in _asked(plan)))
    yield from _titled(labels.keywords, _keyword_table(plan, labels))
    yield from _titled(labels.pages, _page_table(plan, labels, background.get("others", [])))
    yield from _titled(labels.facts, _bullets(_facts(plan, labels)))
    yield from _titled(labels.titles, _bullets(_titles(plan)))


def _searches_alone(plan: BriefPlan) -> Iterator[str]:
    for section in plan.sections:
        yield f"## {escape(section.heading)}"
        yield _bullets(_spelled(search) for search in section.searches)
    if rest := plan.left_over:
        yield "---"
        yield _bullets(_spelled(search) for search in rest[:KEYWORDS_SHOWN])


def _head(plan: BriefPlan, labels: Labels, facts: PromptFacts, background: PromptFacts) -> str:
    kind = facts["content_type"] if facts["content_type"] in ASPECTS else "article"
    lines = [
        (labels.kind, labels.kinds[kind]),
        (labels.length, f"{plan.number(facts['word_count'])} {labels.words}"),
        (labels.main_keyword, plan.subject),
    ]
    if intent := labels.intents.get(background.get("main_intent") or ""):
        lines.append((labels.intent, intent))
    if count := background.get("keyword_count"):
        lines.append((labels.in_cluster, plan.number(count)))
    if volume := background.get("total_volume"):
        lines.append((labels.monthly, plan.number(volume)))
    return _table(*lines)


def _section(section: BriefSection, plan: BriefPlan, labels: Labels) -> str:
    parts = []
    if section.answer:
        parts.append(_line(labels.answer, section.answer, labels))
    if section.questions:
        asked = _bullets(as_title(search.head, plan.language) for search in section.questions)
        parts += [asked] if section.answer else [_line(labels.answer, "", labels), asked]
    if section.searches:
        named = labels.comma.join(_counted(search, plan) for search in section.searches)
        parts.append(_line(labels.searches if parts else labels.answer, named, labels))
    return "\n\n".join(parts)


def _line(label: str, text: str, labels: Labels) -> str:
    return f"**{label}{labels.colon.rstrip()}** {escape(text)}".rstrip()


def _asked(plan: BriefPlan) -> list[Search]:
    """Questions that no section answers."""
    return [one for one in plan.left_over if one.is_question and one.stems != plan.core][:QUESTIONS_SHOWN]


def _keyword_table(plan: BriefPlan, labels: Labels) -> str:
    shown = plan.searches[:KEYWORDS_SHOWN]
    rows = [(one.head, _others_of(one, labels), plan.number(one.volume)) for one in shown]
    if rest := len(plan.searches) - len(shown):
        rows.append((f"+ {plan.number(rest)} {labels.more}", "", ""))
    head = (labels.keywords, labels.variants, labels.monthly)
    filled = [place for place in range(len(head)) if place == 0 or any(row[place] for row in rows)]
    return _table(*(tuple(row[place] for place in filled) for row in (head, *rows)))


def _others_of(search: Search, labels: Labels) -> str:
    others = search.phrases[1:]
    shown = labels.comma.join(others[:SPELLINGS_SHOWN])
    rest = len(others) - SPELLINGS_SHOWN
    return f"{shown} + {rest}" if rest > 0 else shown


def _page_table(plan: BriefPlan, labels: Labels, others: Sequence[Mapping[str, str]]) -> str:
    rows = [
        f"| {escape(page['main_keyword'] or page['title'])} | {_link(page)} |"
        for page in nearest_pages(plan, others)[:PAGES_SHOWN]
    ]
    return "\n".join([_table((labels.link_text, labels.pages)), *rows]) if rows else ""


def _link(page: Mapping[str, str]) -> str:
    title = escape(page["title"])
    return f"[{title}](<{page['url']}>)" if _ADDRESS.fullmatch(page["url"]) else title


def _facts(plan: BriefPlan, labels: Labels) -> list[str]:
    found = []
    for search in plan.searches:
        if is_purchase(search.head, plan.language):
            found.append(f"{as_subject(search.head)}{labels.colon}{labels.price}")
        elif asks_figure(search.head, plan.language):
            found.append(f"{as_subject(search.head)}{labels.colon}{labels.figure}")
    return [*found[: FACTS_SHOWN - 1], f"{as_subject(plan.title)} – {labels.proof}"]


def _titles(plan: BriefPlan) -> list[str]:
    heads = [as_title(search.head, plan.language) for search in plan.searches if search.stems != plan.core]
    return list(dict.fromkeys([plan.title, *heads]))[:TITLES_SHOWN]


def _meta_title(plan: BriefPlan) -> str:
    """The title, or as much of it as makes sense by itself."""
    title, subject = plan.title, as_title(plan.subject, plan.language)
    options = (title, title.split(": ")[0], title.split(" – ")[0], subject)
    return next((text for text in options if len(text) <= META_TITLE_LIMIT), title)


def _meta_description(plan: BriefPlan, labels: Labels | None) -> str:
    """The page's searches, as many as fit in whole."""
    colon, comma = (labels.colon, labels.comma) if labels else (": ", ", ")
    text = as_title(plan.subject, plan.language)
    between = " " if text[-1] in "?？" else colon
    for search in plan.searches:
        if search.head == plan.subject:
            continue
        longer = f"{text}{between}{search.head}"
        if len(longer) > META_DESCRIPTION_LIMIT:
            break
        text, between = longer, comma
    return text


def _spelled(search: Search) -> str:
    return ", ".join(search.phrases[: SPELLINGS_SHOWN + 1])


def _counted(search: Search, plan: BriefPlan) -> str:
    return f"{search.head} ({plan.number(search.volume)})" if search.volume else search.head


def _titled(title: str, block: str) -> tuple[str, ...]:
    return (f"### {title}", block) if block else ()


def _bullets(texts: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {escape(text)}" for text in texts)


def _table(head: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    shown = ["| " + " | ".join(map(escape, cells)) + " |" for cells in (head, *rows)]
    return "\n".join([shown[0], "| " + " | ".join(["---"] * len(head)) + " |", *shown[1:]])


def escape(text: str) -> str:
    """`text` as Markdown that shows it as it is."""
    return _LIST_MARK.sub(lambda mark: f"{mark[1] or ''}\\{mark[2] or mark[3]}", _MARKS.sub(r"\\\1", text))
