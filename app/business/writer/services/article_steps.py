"""The order in which an article is written: outline, sections, repairs, texts for search engines; and when it is done.

A pure function of what is asked for and of the parts that are there: after a crash it goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.business.language_model import Prompt
from app.business.planner.services.plain_text import clean_line
from app.business.writer.services.article_checks.facts import ArticleFinding, CheckFacts, Draft
from app.business.writer.services.article_checks.form_checks import (
    META_DESCRIPTION_LIMIT,
    META_TITLE_LIMIT,
    TOLERANCE,
    is_too_short,
)
from app.business.writer.services.article_checks.keyword_checks import missing_keywords
from app.business.writer.services.article_checks.score import ArticleVerdict, check_article
from app.business.writer.services.article_html import count_words, shorten
from app.business.writer.services.article_parts import (
    ArticleProgress,
    ArticleSection,
    KeptPart,
    PartKind,
    section_text,
)
from app.business.writer.services.article_prompts import (
    EARLIER_TEXT_SHOWN,
    METAS,
    OUTLINE,
    REPAIR,
    SECTION,
    Assignment,
    Metas,
    Outline,
)

OF_A_SECTION = ("placeholder", "ai_talk", "links", "copied", "language", "banned_words", "stuffing")
NEVER_KEPT = ("placeholder", "ai_talk")
FEWEST_WORDS, INTRODUCTION_WORDS = 60, 120
_FAR_OFF = 0.5
"""How far a section alone may be from its budget: the sections after it make up for less."""
_MOST_LONGER = 3


@dataclass(frozen=True)
class PartRequest:
    """The next part and what is asked for it; `data` is kept with its answer."""

    kind: PartKind
    prompt: Prompt
    data: dict[str, Any] = field(default_factory=dict)
    heading: str = ""


@dataclass(frozen=True)
class Rejected:
    """The article cannot be used. void: numbers of the parts that are written again by a retry."""

    message: str
    void: list[int]


@dataclass(frozen=True)
class Approval:
    """A person is asked whether this outline is right."""

    outline: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """The article, with what the checks say of it."""

    draft: Draft
    verdict: ArticleVerdict


Next = PartRequest | Approval | Rejected | Finished


def next_step(
    task: Assignment, facts: CheckFacts, parts: Sequence[KeptPart], *, approve_outline: bool = False
) -> Next:
    """What comes after these parts."""
    progress = ArticleProgress.of(parts)
    if progress.outline is None:
        more = {"wishes": progress.change_requests} if progress.change_requests else {}
        return PartRequest("outline", task.prompt(OUTLINE, Outline, **more))
    return (
        (_approval(progress) if approve_outline else None)
        or _next_section(task, facts, progress)
        or _repair_of_whole(task, facts, progress)
        or _rejection(facts, progress)
        or _next_metas(task, facts, progress)
        or _finished(facts, progress)
    )


def _approval(progress: ArticleProgress) -> Approval | Rejected | None:
    """What is missing until a person has approved the outline."""
    question, answer = progress.question, progress.answer
    if question is None:
        return Approval(progress.outline.model_dump() if progress.outline else {})
    if answer is None:
        message = "Nobody approved the outline within 7 days. Retry the run to be asked again."
        return Rejected(message, [question.number])
    if answer.data["approved"]:
        return None
    by, note = answer.data["name"] or "A person", answer.data["note"]
    message = f"{by} declined the outline{f': “{note}”' if note else ''}. A retry plans a new one."
    return Rejected(message, [progress.outline_number, question.number, answer.number])


def _next_section(task: Assignment, facts: CheckFacts, progress: ArticleProgress) -> PartRequest | None:
    for place, section in enumerate(progress.sections):
        if section.text is None:
            words = _budget(task, progress, place)
            return PartRequest(
                "section",
                _prompt(task, SECTION, progress, place, words),
                {"section": place, "words": words},
                section.heading,
            )
        if not section.repaired and (faults := _faults_of(section, facts, progress)):
            return _repair(task, progress, place, section.words, faults)
    return None


def _budget(task: Assignment, progress: ArticleProgress, place: int) -> int:
    """Words for this section: what is left for it and the others that are not written, in equal parts."""
    if place == 0:
        return min(INTRODUCTION_WORDS, max(task.word_count // (len(progress.sections) + 1), 30))
    left = task.word_count - count_words(progress.draft().html)
    open_ones = sum(section.text is None for section in progress.sections[1:])
    return max(round(left / open_ones), FEWEST_WORDS)


def _faults_of(section: ArticleSection, facts: CheckFacts, progress: ArticleProgress) -> list[ArticleFinding]:
    found = check_article(section.draft(progress.title), facts, only=OF_A_SECTION).findings
    faults = [finding for finding in found if not finding.passed]
    off = abs(section.length - section.words) / max(section.words, 1)
    if off > _FAR_OFF:
        message = f"It has {section.length} words; about {section.words} were asked for."
        faults.append(ArticleFinding("length", 1, message))
    return faults


def _repair_of_whole(task: Assignment, facts: CheckFacts, progress: ArticleProgress) -> PartRequest | None:
    """One more writing of the section that can mend what is wrong with the article as a whole."""
    draft = progress.draft()
    if call := _repair_of_length(task, facts, progress, count_words(draft.html)):
        return call
    missing = missing_keywords(draft, facts)
    if missing and not any("keywords" in section.repaired for section in progress.sections):
        place = _best_for(missing, progress)
        finding = ArticleFinding(
            "keywords", 1, f"Work in, in sentences that make sense: {', '.join(missing)}."
        )
        return _repair(task, progress, place, max(progress.sections[place].words, FEWEST_WORDS), [finding])
    return None


def _repair_of_length(
    task: Assignment, facts: CheckFacts, progress: ArticleProgress, words: int
) -> PartRequest | None:
    if not facts.word_count or abs(words - facts.word_count) <= TOLERANCE * facts.word_count:
        return None
    lacking = facts.word_count - words
    open_ones = [
        (section.length - section.words, place)
        for place, section in enumerate(progress.sections)
        if "length" not in section.repaired and (place or len(progress.sections) == 1)
    ]
    if not open_ones:
        return None
    _, place = min(open_ones) if lacking > 0 else max(open_ones)
    section = progress.sections[place]
    goal = min(section.length + lacking, _MOST_LONGER * max(section.words, FEWEST_WORDS))
    goal = max(goal, FEWEST_WORDS)
    way = "longer, with more that is of use" if lacking > 0 else "shorter, without losing what matters"
    finding = ArticleFinding(
        "length", 1, f"It has {section.length} words; make it about {goal} words, {way}."
    )
    return _repair(task, progress, place, goal, [finding])


def _best_for(missing: Sequence[str], progress: ArticleProgress) -> int:
    """The section whose plan names most of the keywords, else the last one."""
    wanted = {keyword.casefold() for keyword in missing}
    named = [len(wanted & {one.casefold() for one in section.keywords}) for section in progress.sections]
    return named.index(max(named)) if max(named) else len(named) - 1


def _rejection(facts: CheckFacts, progress: ArticleProgress) -> Rejected | None:
    draft = progress.draft()
    verdict = check_article(draft, facts, only=NEVER_KEPT)
    if failed := [finding for finding in verdict.findings if not finding.passed]:
        at_fault = [
            section
            for section in progress.sections
            if check_article(section.draft(progress.title), facts, only=NEVER_KEPT).failed
        ]
        numbers = [number for section in at_fault for number in section.numbers]
        quoted = f" (“{failed[0].quotes[0][:80]}”)" if failed[0].quotes else ""
        message = (
            f"The AI service's text cannot be used, also after it was corrected: {_lower(failed[0].message)}"
        )
        return Rejected(f"{message.rstrip('.')}{quoted}.", numbers or [progress.outline_number])
    words = count_words(draft.html)
    if is_too_short(words, facts):
        short = [
            section for section in progress.sections if section.length < section.words
        ] or progress.sections
        message = (
            f"The AI service wrote {words:,} of the {facts.word_count:,} words that were asked for, also when it was "
            "asked for more: too short to be kept."
        )
        return Rejected(message, [number for section in short for number in section.numbers])
    return None


def _next_metas(task: Assignment, facts: CheckFacts, progress: ArticleProgress) -> PartRequest | None:
    if progress.metas is None:
        return PartRequest("metas", task.prompt(METAS, Metas, article=_article(progress)))
    finding = check_article(progress.draft(), facts, only=["metas"]).findings[0]
    if finding.passed or progress.metas_repaired:
        return None
    faults = {"earlier_answer": progress.metas, "faults": [finding.message]}
    return PartRequest("metas_repair", task.prompt(METAS, Metas, article=_article(progress), **faults))


def kept_data(call: PartRequest, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to a call as it is kept."""
    match call.kind:
        case "outline":
            return Outline.model_validate(answer).model_dump()
        case "section" | "repair":
            text = section_text(answer["text"], call.heading, call.prompt.facts["title"])
            return {"text": text, **call.data}
    metas = Metas.model_validate(answer)
    return {
        "meta_title": clean_line(metas.meta_title, "meta_title", limit=1_000, required=False),
        "meta_description": clean_line(
            metas.meta_description, "meta_description", limit=5_000, required=False
        ),
    }


def _finished(facts: CheckFacts, progress: ArticleProgress) -> Finished:
    draft = _shortened(progress.draft())
    return Finished(draft, check_article(draft, facts))


def _shortened(draft: Draft) -> Draft:
    """The article with texts for search engines that fit, cut at a word where a repair has not made them fit."""
    return Draft(
        draft.title,
        draft.html,
        shorten(draft.meta_title or draft.title, META_TITLE_LIMIT),
        shorten(draft.meta_description, META_DESCRIPTION_LIMIT),
    )


def _repair(
    task: Assignment, progress: ArticleProgress, place: int, words: int, faults: Sequence[ArticleFinding]
) -> PartRequest:
    section = progress.sections[place]
    sentences = [
        " ".join(filter(None, (finding.message, "; ".join(finding.quotes[:5])))) for finding in faults
    ]
    prompt = _prompt(task, REPAIR, progress, place, words, text=section.text, faults=sentences)
    checks = {finding.check for finding in faults} | section.repaired
    return PartRequest(
        "repair", prompt, {"section": place, "words": words, "checks": sorted(checks)}, section.heading
    )


def _prompt(
    task: Assignment, instructions: str, progress: ArticleProgress, place: int, words: int, **more: Any
) -> Prompt:
    section = progress.sections[place]
    before = ArticleProgress(progress.outline, sections=progress.sections[:place])
    facts: dict[str, Any] = {
        "heading": section.heading or "(introduction, without a heading)",
        "points": section.points,
        "keywords": section.keywords,
        "words": words,
        "is_last": place == len(progress.sections) - 1,
    }
    if text := more.pop("text", None):
        facts["text"] = text
    return task.prompt(
        instructions,
        None,
        title=progress.title,
        outline=[one.heading for one in progress.sections[1:]],
        section=facts,
        earlier_text=before.markdown[-EARLIER_TEXT_SHOWN:],
        **more,
    )


def _article(progress: ArticleProgress) -> dict[str, str]:
    return {"title": progress.title, "text": progress.markdown[:EARLIER_TEXT_SHOWN]}


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
