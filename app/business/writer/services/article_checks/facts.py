"""What an article is checked against, and what a check found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from app.business.writer.services.article_checks.text import ArticleText


@dataclass(frozen=True)
class CheckFacts:
    """word_count: asked for (None: nothing was) · keywords: to be covered, the most important first · avoid: words
    that the site does not use · links: addresses that may be linked · given: texts whose figures, quotes and sentences
    may be used · pages: title and HTML of the site's other articles.
    """

    language: str = "en"
    site_url: str = ""
    word_count: int | None = None
    main_keyword: str = ""
    keywords: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    pages: Iterable[tuple[str, str]] = field(default=(), repr=False)


@dataclass(frozen=True)
class Draft:
    """The article as it is to be kept."""

    title: str
    html: str
    meta_title: str = ""
    meta_description: str = ""

    @cached_property
    def text(self) -> ArticleText:
        return ArticleText.of(self.html)

    @property
    def all_texts(self) -> list[str]:
        """Every sentence that somebody may read, titles included."""
        return [*filter(None, (self.title, self.meta_title, self.meta_description)), *self.text.sentences]


@dataclass(frozen=True)
class ArticleFinding:
    """points: taken off the score, none for a passed check · quotes: the places in the text."""

    check: str
    points: int
    message: str
    quotes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.points == 0
