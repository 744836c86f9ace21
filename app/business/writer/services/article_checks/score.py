"""The score of an article: 100 less what each failed check takes off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, JsonValue

from app.business.writer.services.article_checks.facts import ArticleFinding, CheckFacts, Draft
from app.business.writer.services.article_checks.form_checks import (
    check_headings,
    check_length,
    check_metas,
)
from app.business.writer.services.article_checks.keyword_checks import check_keywords, check_stuffing
from app.business.writer.services.article_checks.source_checks import check_claims, check_copied, check_links
from app.business.writer.services.article_checks.wording_checks import (
    check_ai_talk,
    check_banned_words,
    check_language,
    check_placeholder,
)

Check = Callable[[Draft, CheckFacts], ArticleFinding | None]
CHECKS: dict[str, tuple[str, Check]] = {
    "length": ("Length", check_length),
    "headings": ("Headings", check_headings),
    "keywords": ("Keywords", check_keywords),
    "placeholder": ("Gaps to fill in", check_placeholder),
    "ai_talk": ("Talk of the AI", check_ai_talk),
    "links": ("Links", check_links),
    "copied": ("Sentences of other pages", check_copied),
    "stuffing": ("Repetition", check_stuffing),
    "language": ("Language", check_language),
    "banned_words": ("Words to avoid", check_banned_words),
    "metas": ("For search engines", check_metas),
    "claims": ("Figures and quotes", check_claims),
}
"""Name -> what pages call it, and the check, which says None where it does not apply."""
QUOTE_LIMIT, QUOTES_KEPT = 300, 30


class KeptFinding(BaseModel):
    """A finding as it is kept with the article."""

    check: str
    points: int
    message: str
    quotes: list[str]


@dataclass(frozen=True)
class ArticleVerdict:
    """What the checks came to."""

    findings: tuple[ArticleFinding, ...]

    @property
    def score(self) -> int:
        """From 0 to 100."""
        return max(0, 100 - sum(finding.points for finding in self.findings))

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [finding.check for finding in self.findings if not finding.passed]

    def of(self, check: str) -> ArticleFinding | None:
        return next((finding for finding in self.findings if finding.check == check), None)

    def as_json(self) -> list[JsonValue]:
        """As it is kept with the article."""
        return [
            {
                "check": finding.check,
                "points": finding.points,
                "message": finding.message,
                "quotes": [quote[:QUOTE_LIMIT] for quote in finding.quotes[:QUOTES_KEPT]],
            }
            for finding in self.findings
        ]


def check_article(draft: Draft, facts: CheckFacts, only: Sequence[str] = tuple(CHECKS)) -> ArticleVerdict:
    """The verdict of all checks, or of those named."""
    found = (CHECKS[name][1](draft, facts) for name in only)
    return ArticleVerdict(tuple(finding for finding in found if finding is not None))
