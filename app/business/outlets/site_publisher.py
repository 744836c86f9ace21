"""Interface for publishing on a site's WordPress: takes an article, returns its post as stored there."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from app.business.language_model import ProviderFault

PostStatus = Literal["draft", "publish"]
"""Statuses that can be requested. WordPress has others, such as `future` or `trash`."""
POST_STATUSES: tuple[PostStatus, ...] = ("draft", "publish")
Refusal = Literal["trashed", "deleted", "edited", "moved"]
"""Why nothing was written: somebody put the post in the trash, deleted or edited it, or another site has it."""


@dataclass(frozen=True)
class SiteConnection:
    """The WordPress of a site. The application password is encrypted."""

    id: int
    version: int
    url: str
    username: str
    password_sealed: str = field(repr=False)
    default_status: PostStatus
    categories: tuple[str, ...]
    author: str


@dataclass(frozen=True)
class Article:
    """The text of a post and what belongs to it; categories and tags by name."""

    title: str
    html: str
    slug: str
    excerpt: str
    meta_title: str
    meta_description: str
    main_keyword: str
    categories: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class PostRequest:
    """One article for one site.

    key: of the unit that asks · version: of the article · marker: our own id of the post, in a comment of its text ·
    digest: of the text that is sent, beside the marker · status: None keeps that of an existing post · post_id: if it
    is known on this site · remote_hash: of the text as the site had it after our last write · unanswered: the digest
    of a text that was sent without receiving an answer · overwrite: also what a person has edited there · elsewhere:
    the site that has the post, if it is not this one · publish_at: when it becomes public (None: at once) ·
    featured_image: address of the image (empty: the post keeps its own) · only_reads: nothing is written, only the
    post's state is read.
    """

    key: str
    connection: SiteConnection
    article: Article
    marker: str
    digest: str
    version: int
    status: PostStatus | None
    post_id: int | None = None
    remote_hash: str = ""
    unanswered: str = ""
    overwrite: bool = False
    elsewhere: str = ""
    publish_at: datetime | None = None
    featured_image: str = ""
    only_reads: bool = False


@dataclass(frozen=True)
class Post:
    """A post as the site has it, and what was asked for.

    refusal: nothing was written, and why · publish_at: when a scheduled post becomes public.
    """

    request: PostRequest
    id: int | None
    url: str
    status: str
    remote_hash: str
    refusal: Refusal | None = None
    publish_at: datetime | None = None


class SitePublisher(Protocol):
    """Writes posts, idempotently: one for each marker."""

    def publish(self, request: PostRequest) -> Post:
        """Raises ProviderFault."""
        ...


class NoPublisher:
    """For processes that execute no runs."""

    def publish(self, request: PostRequest) -> Post:
        """Raises ProviderFault."""
        raise ProviderFault("misconfigured", "Nothing is published from here.")
