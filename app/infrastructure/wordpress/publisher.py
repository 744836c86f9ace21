"""Writes articles as posts, idempotently: one post for one marker, and never a post of somebody else.

Before a post is created it is looked up by its two possible slugs (one contains our own id) in every status, then by
its marker. A post that somebody has trashed, or whose text somebody has edited, is not changed.
"""

import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.business.language_model import ProviderFault
from app.business.outlets.site_publisher import Article, Post, PostRequest, Refusal
from app.infrastructure.outbound.policy import OutboundPolicy
from app.infrastructure.secret_box import SecretBox
from app.infrastructure.wordpress import faults
from app.infrastructure.wordpress.client import BOUNDS, SEO_METAS, WordPressClient
from app.infrastructure.wordpress.images import fetch_image
from app.settings import Settings

EVERY_STATUS = "publish,future,draft,pending,private,trash"
"""WordPress's `any` excludes the trash, and a look-up without a status finds public posts only."""
TRASHED = "__trashed"
"""What WordPress appends to the slug of a post in the trash."""
_MARK = re.compile(r"<!-- igny8:([0-9a-f]{32}):([0-9a-f]{16}) -->")
SCHEDULED = "future"
_OWN_ID_SHOWN = 8
TEXT_LIMIT = BOUNDS.size - 48 * 1024
"""Limit in bytes of a text as WordPress encodes it in JSON, so that its answer fits the limit of answers."""

Row = Mapping[str, Any]


class WordPressPublisher:
    """A SitePublisher over WordPress's REST interface."""

    def __init__(self, settings: Settings) -> None:
        self.box, self.policy = SecretBox.of(settings), OutboundPolicy.of(settings)

    def publish(self, request: PostRequest) -> Post:
        """Raises ProviderFault."""
        with WordPressClient.of(request.connection, self.box, self.policy) as client:
            try:
                return _Publishing(client, request, self.policy).publish()
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                message = "WordPress answered in a form that cannot be used: a plugin may change its answers."
                raise ProviderFault(
                    "bad_answer", message, detail=f"{type(error).__name__}: {error}"
                ) from error


class _Publishing:
    """One attempt for one article."""

    def __init__(self, client: WordPressClient, request: PostRequest, policy: OutboundPolicy) -> None:
        self.client, self.request, self.policy = client, request, policy

    def publish(self) -> Post:
        if self.request.only_reads:
            return self._read_back()
        _require_readable(self.request.article.html)
        found = self._known() if self.request.post_id else self._look_for()
        if isinstance(found, Post):
            return found
        if found is None:
            return self._refused("moved", None) if self.request.elsewhere else self._create()
        if found["status"] == "trash":
            return self._refused("trashed", found)
        if self._was_edited(found) and not self.request.overwrite:
            return self._refused("edited", found)
        return self._write(int(found["id"]), self._fields(self.request.status or found["status"]))

    def _read_back(self) -> Post:
        """The post as it stands there."""
        found = self._known()
        if isinstance(found, Post):
            return found
        return self._refused("trashed", found) if found["status"] == "trash" else self._post(found)

    def _known(self) -> Row | Post:
        try:
            row: Row = self.client.read(f"posts/{self.request.post_id}", context="edit")
        except ProviderFault as fault:
            if "rest_post_invalid_id" in fault.detail:
                return self._refused("deleted", None)
            raise
        return row

    def _look_for(self) -> Row | None:
        own, both = self._own_slug, [self.request.article.slug, self._own_slug]
        slugs = ",".join([*both, *(slug + TRASHED for slug in both)])
        rows = self._posts(slug=slugs)
        if ours := self._ours(rows) or self._ours(self._posts(search=self.request.marker)):
            return ours
        taken = {row["slug"] for row in rows if row["status"] != "trash"} | self._pages(both)
        if own in taken:
            raise ProviderFault(
                "misconfigured", "Other posts have all addresses that the article could have."
            )
        if self.request.article.slug in taken:
            self.request = replace(self.request, article=replace(self.request.article, slug=own))
        return None

    @property
    def _own_slug(self) -> str:
        return f"{self.request.article.slug}-{self.request.marker[:_OWN_ID_SHOWN]}"

    def _posts(self, **query: str) -> Sequence[Row]:
        rows: Sequence[Row] = self.client.read(
            "posts", context="edit", status=EVERY_STATUS, per_page=20, **query
        )
        return rows

    def _pages(self, slugs: Sequence[str]) -> set[str]:
        """Slugs of top-level pages: WordPress lets a post have the same slug, and then shows the page."""
        rows = self.client.read("pages", slug=",".join(slugs))
        return {row["slug"] for row in rows if not row["parent"]}

    def _ours(self, rows: Sequence[Row]) -> Row | None:
        return next((row for row in rows if _mark_of(row)[0] == self.request.marker), None)

    def _was_edited(self, row: Row) -> bool:
        """Whether its text differs from our last write; after a lost answer only the digest in the text can decide."""
        if self.request.remote_hash == hash_of(row):
            return False
        marker, digest = _mark_of(row)
        return (marker, digest) != (self.request.marker, self.request.unanswered)

    def _create(self) -> Post:
        fields = self._fields(self.request.status or "draft")
        return self._write(None, fields | {"slug": self.request.article.slug})

    def _write(self, post_id: int | None, fields: dict[str, Any]) -> Post:
        path = f"posts/{post_id}" if post_id else "posts"
        row: Row = self.client.write(path, fields)
        if metas := _metas(row, self.request.article):
            try:
                row = self.client.write(f"posts/{row['id']}", {"meta": metas})
            except ProviderFault as fault:
                # Only our own post was found.
                fault.has_begun = True
                raise
        return self._post(row)

    def _post(self, row: Row) -> Post:
        at = date_of(row) if row["status"] == SCHEDULED else None
        place = int(row["id"]), str(row["link"]), str(row["status"])
        return Post(self.request, *place, hash_of(row), publish_at=at)

    def _dates(self, status: str) -> dict[str, str]:
        """When it becomes public: of a scheduled post the status follows from the date."""
        at = self.request.publish_at
        return {"status": SCHEDULED, "date_gmt": _gmt(at)} if at else {"status": status}

    def _image(self) -> dict[str, int]:
        """The featured image, which is sent once: its name follows from its address."""
        address = self.request.featured_image
        if not address:
            return {}
        digest = hashlib.sha256(f"{self.request.marker}\0{address}".encode()).hexdigest()
        name = f"igny8-{digest[:24]}"
        known = self.client.read("media", slug=name)
        if not known:
            image = fetch_image(address, self.policy)
            known = [self.client.upload(f"{name}.{image.ending}", image.type, image.data)]
        return {"featured_media": int(known[0]["id"])}

    def _fields(self, status: str) -> dict[str, Any]:
        article, request = self.request.article, self.request
        fields: dict[str, Any] = {
            "title": article.title,
            "content": f"{article.html}\n<!-- igny8:{request.marker}:{request.digest} -->",
            "excerpt": article.excerpt,
            **self._dates(status),
            **self._image(),
            "categories": self._terms("categories", article.categories),
            "tags": self._terms("tags", article.tags),
        }
        if request.connection.author:
            fields["author"] = self._author(request.connection.author)
        # WordPress puts a post without a category into its own default one.
        return {name: value for name, value in fields.items() if value != []}

    def _terms(self, kind: str, names: Sequence[str]) -> list[int]:
        return [self._term(kind, name) for name in names]

    def _term(self, kind: str, name: str) -> int:
        # Names are stored and searched with HTML entities.
        stored = html.escape(name, quote=False)
        rows = self.client.read(kind, search=stored, per_page=100, hide_empty="false")
        same = [row for row in rows if html.unescape(str(row["name"])).casefold() == name.casefold()]
        return int(same[0]["id"]) if same else self._new_term(kind, name)

    def _new_term(self, kind: str, name: str) -> int:
        response = self.client.try_write(kind, {"name": name})
        said = faults.said_of(response)
        if response.is_success:
            return int(said["id"])
        if said.get("code") == "term_exists":
            # It was created concurrently.
            return int(said["data"]["term_id"])
        if response.status_code == 403:
            word = "category" if kind == "categories" else "tag"
            message = (
                f"There is no {word} “{name}” in WordPress, and the user may not create it. Create it there, or give "
                "the user the role Editor."
            )
            raise ProviderFault("misconfigured", message)
        raise faults.of_answer(response)

    def _author(self, name: str) -> int:
        # Without `who` only administrators can find an author without published posts.
        rows = self.client.read("users", search=name, per_page=100, who="authors")
        names = {str(row[key]).casefold(): int(row["id"]) for row in rows for key in ("slug", "name")}
        if name.casefold() not in names:
            message = f"WordPress knows no author “{name}”. Correct it on the page of the site's WordPress."
            raise ProviderFault("misconfigured", message)
        return names[name.casefold()]

    def _refused(self, why: Refusal, row: Row | None) -> Post:
        id, url = (int(row["id"]), str(row["link"])) if row else (None, "")
        return Post(self.request, id, url, str(row["status"]) if row else "", "", refusal=why)


def _require_readable(text: str) -> None:
    """Raises ProviderFault."""
    if len(json.dumps(text)) + text.count("/") > TEXT_LIMIT:
        message = "The article is too long for WordPress: what the site answers may have 1 MB. Shorten it."
        raise ProviderFault("misconfigured", message)


def date_of(row: Row) -> datetime | None:
    """When the post is, or becomes, public."""
    return datetime.fromisoformat(row["date_gmt"]).replace(tzinfo=UTC) if row["date_gmt"] else None


def _gmt(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def hash_of(row: Row) -> str:
    """Hash of the text as WordPress stores it, which may differ from what was sent."""
    raw = "\0".join(str(row[name]["raw"]) for name in ("title", "content"))
    return hashlib.sha256(raw.encode()).hexdigest()


def _mark_of(row: Row) -> tuple[str, str]:
    found = _MARK.search(str(row["content"]["raw"]))
    return (found[1], found[2]) if found else ("", "")


def _metas(row: Row, article: Article) -> dict[str, str]:
    """Values for the fields of Yoast and Rank Math that the site has, where they differ."""
    present = row.get("meta")
    if not isinstance(present, dict):
        return {}
    texts = (article.meta_title, article.meta_description, article.main_keyword)
    wanted = dict(zip(SEO_METAS, texts * 2, strict=True))
    return {name: text for name, text in wanted.items() if text and name in present and present[name] != text}
