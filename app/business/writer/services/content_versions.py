"""Every text that an article ever had, as rows: one for each save of the text; read, compare, go back to one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from re import findall
from typing import Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.base import RowValues
from app.business.errors import NotFound
from app.business.events import Origin
from app.business.paging import Page, keyset_page
from app.business.writer.models import Content, ContentVersion
from app.business.writer.services.article_markdown import to_markdown

KEPT = frozenset({"title", "html", "meta_title", "meta_description"})
WORDS_COMPARED = 8_000
"""Longer texts are compared line by line: the time to compare grows with the square of the length."""

Part = tuple[Literal["same", "added", "removed"], str]


@dataclass(frozen=True)
class SavedVersion:
    """One version, and the name of the person who saved it, none where a run did."""

    version: ContentVersion
    saved_by: str | None


def keep_first_version(session: Session, content: Content) -> None:
    """Before its first change: keep the present text, where no version was ever kept."""
    known = select(ContentVersion.id).where(ContentVersion.content_id == content.id)
    if session.scalar(known.limit(1)) is None:
        origin = Origin(account_id=content.account_id, run_id=content.made_by_run_id)
        keep_version(session, content, origin, content.updated_at)


def keep_version(session: Session, content: Content, origin: Origin, now: datetime) -> None:
    """Keep the present text; call it when the change is written."""
    texts = {name: getattr(content, name) for name in sorted(KEPT)}
    version = ContentVersion(
        account_id=content.account_id,
        content_id=content.id,
        number=content.version,
        word_count=content.word_count,
        user_id=origin.user_id,
        run_id=origin.run_id,
        created_at=now,
        **texts,
    )
    session.add(version)
    session.flush()


def versions_of(
    session: Session, content: Content, *, before: int | None = None, limit: int = 50
) -> list[SavedVersion]:
    """Newest first; only those older than the number `before`."""
    query = _versions(content).order_by(ContentVersion.number.desc()).limit(limit)
    if before is not None:
        query = query.where(ContentVersion.number < before)
    return [SavedVersion(version, name) for version, name in session.execute(query)]


def versions_page(
    session: Session, content: Content, *, cursor: str | None, limit: int
) -> Page[SavedVersion]:
    """A page of them, newest first. Raises Invalid for a damaged cursor."""
    of_content = select(ContentVersion).where(
        ContentVersion.account_id == content.account_id, ContentVersion.content_id == content.id
    )
    page = keyset_page(session, of_content, keys=[ContentVersion.number], cursor=cursor, limit=limit)
    ids = {version.user_id for version in page.rows}
    people = select(User.id, User.name).where(User.account_id == content.account_id, User.id.in_(ids))
    names: dict[int | None, str] = {row.id: row.name for row in session.execute(people)}
    rows = [SavedVersion(version, names.get(version.user_id)) for version in page.rows]
    return Page(rows, page.next_cursor, page.count)


def was_edited(session: Session, content: Content) -> bool:
    """Whether its text has had another version than the one that it was made with."""
    kept = select(ContentVersion.id).where(
        ContentVersion.account_id == content.account_id, ContentVersion.content_id == content.id
    )
    return len(session.scalars(kept.limit(2)).all()) > 1


def version_of(session: Session, content: Content, number: int) -> SavedVersion:
    """The version with this number. Raises NotFound."""
    found = session.execute(_versions(content).where(ContentVersion.number == number)).first()
    if found is None:
        raise NotFound(f"Version {number} of this article was not found.")
    return SavedVersion(*found)


def next_version(session: Session, content: Content, number: int) -> int | None:
    """The number of the version after this one; None for the newest."""
    later = _versions(content).with_only_columns(ContentVersion.number).where(ContentVersion.number > number)
    return session.scalar(later.order_by(ContentVersion.number).limit(1))


def texts_of(version: ContentVersion) -> RowValues:
    """What a person changes to go back to this version."""
    return {name: getattr(version, name) for name in sorted(KEPT)}


def compare(before: str, after: str) -> list[Part]:
    """The words of two articles' HTML, as Markdown: what is in both, and what was added or removed."""
    one, other = to_markdown(before), to_markdown(after)
    is_long = max(len(one), len(other)) > WORDS_COMPARED * 6
    pieces = r"[^\n]*\n+|[^\n]+" if is_long else r"\n+|[^\S\n]+|\S+"
    return list(_parts(_readable(_stretches(findall(pieces, one), findall(pieces, other)))))


@dataclass(frozen=True)
class Stretch:
    """Text that is the same in both, before which something was removed or added."""

    removed: str
    added: str
    same: str

    @property
    def weight(self) -> int:
        """The length of the change."""
        return max(len(self.removed), len(self.added))


def _stretches(one: list[str], other: list[str]) -> Iterator[Stretch]:
    removed = added = ""
    for kind, start, end, from_, to in SequenceMatcher(a=one, b=other, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Stretch(removed, added, "".join(one[start:end]))
            removed = added = ""
        else:
            removed, added = "".join(one[start:end]), "".join(other[from_:to])
    yield Stretch(removed, added, "")


def _readable(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Where a text was written anew, words that are in both by chance would cut it into shreds: what is the same and
    shorter than the change on either side becomes part of one change."""
    found: list[Stretch] = []
    for stretch in stretches:
        merged = stretch
        while found and len(found[-1].same) <= min(found[-1].weight, merged.weight):
            before = found.pop()
            removed = before.removed + before.same + merged.removed
            merged = Stretch(removed, before.added + before.same + merged.added, merged.same)
        found.append(merged)
    return found


def _parts(stretches: Iterable[Stretch]) -> Iterator[Part]:
    for stretch in stretches:
        kinds: tuple[Part, ...] = (
            ("removed", stretch.removed),
            ("added", stretch.added),
            ("same", stretch.same),
        )
        yield from (part for part in kinds if part[1])


def _versions(content: Content) -> Select[ContentVersion, str | None]:
    return (
        select(ContentVersion, User.name)
        .outerjoin(User, User.id == ContentVersion.user_id)
        .where(ContentVersion.account_id == content.account_id, ContentVersion.content_id == content.id)
    )
