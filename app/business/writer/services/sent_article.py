"""An article as the site is to have it: what its post says, its slug, and the digest that recognises it."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from app.business.outlets.site_publisher import Article, SiteConnection
from app.business.writer.models import Content

SLUG_LIMIT = 80
LABELS = {"category": "categories", "tag": "tags"}


def sent_article(content: Content, connection: SiteConnection, slug: str) -> Article:
    """Its labels `category: …` and `tag: …` name those of the post, after the categories of the connection."""
    named: dict[str, list[str]] = {kind: [] for kind in LABELS.values()}
    for label in content.labels:
        kind, _, name = label.partition(":")
        if kind.strip().lower() in LABELS and name.strip():
            named[LABELS[kind.strip().lower()]].append(name.strip())
    return Article(
        title=content.title,
        html=content.html,
        slug=slug or slug_of(content.title),
        excerpt=content.meta_description,
        meta_title=content.meta_title,
        meta_description=content.meta_description,
        main_keyword=content.main_keyword,
        categories=_without_repeats([*connection.categories, *named["categories"]]),
        tags=_without_repeats(named["tags"]),
    )


def slug_of(title: str) -> str:
    """The slug for a title, in ASCII letters and digits; `article` if none remain."""
    plain = unicodedata.normalize("NFKD", title.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    if len(words) > SLUG_LIMIT:
        words = words[: SLUG_LIMIT + 1].rpartition("-")[0] or words[:SLUG_LIMIT]
    return words or "article"


def digest_of(article: Article) -> str:
    """Of what a post shows; in its marker, it tells an edit by others from a lost answer of ours."""
    return hashlib.sha256(f"{article.title}\0{article.html}".encode()).hexdigest()[:16]


def _without_repeats(names: Sequence[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.casefold(), name)
    return tuple(first.values())
