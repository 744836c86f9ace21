"""A small WordPress on 127.0.0.1: the REST interface as far as we use it, real in what matters for our promises.

Slugs are made unique as WordPress does it, posts in the trash get `__trashed`, a status asks for rights, unregistered
metas are dropped, and whoever has a wrong password is a visitor; tests/wordpress has the same with a real one. It can
forget to answer (the work is done, the connection drops), refuse, or be slow.
"""

import base64
import html
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "press", "abcd EFGH ijkl MNOP qrst UVWX"
ROLES = {
    "subscriber": (),
    "contributor": ("edit_posts",),
    "author": ("edit_posts", "publish_posts", "upload_files"),
    "editor": ("edit_posts", "publish_posts", "upload_files", "edit_others_posts", "manage_categories"),
}
YOAST = ("_yoast_wpseo_title", "_yoast_wpseo_metadesc", "_yoast_wpseo_focuskw")
RANK_MATH = ("rank_math_title", "rank_math_description", "rank_math_focus_keyword")
PUBLIC = ("publish", "future", "private")

Answer = tuple[int, Any]
Meanwhile = Callable[[str, str], None]


@dataclass
class WordPress:
    """Its posts and terms, and how it misbehaves.

    pages: the parent of each public page by its slug, 0 for those at the top · forgets: so many writes are done, but
    not answered · refusals: answers given instead of work, used up in turn · media: name and type of each file ·
    images: what it shows at other addresses, by path · now, has_cron: its clock, and whether it publishes scheduled
    posts at their time · meanwhile: called before a write, for what others do at that moment · calls: method and path
    of each request.
    """

    role: str = "editor"
    name: str = "The Garden"
    username: str = USER
    password: str = PASSWORD
    metas: tuple[str, ...] = ()
    pages: dict[str, int] = field(default_factory=dict)
    forgets: int = 0
    slow: float = 0.0
    refusals: list[Answer] = field(default_factory=list)
    meanwhile: Meanwhile | None = None
    posts: dict[int, dict[str, Any]] = field(default_factory=dict)
    terms: dict[str, dict[int, str]] = field(
        default_factory=lambda: {"categories": {1: "Uncategorized"}, "tags": {}}
    )
    users: dict[int, str] = field(default_factory=lambda: {1: "Press Office", 2: "Ada Lovelace"})
    media: dict[int, tuple[str, str]] = field(default_factory=dict)
    images: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    has_cron: bool = True
    calls: list[str] = field(default_factory=list)
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def host(self) -> str:
        """As OUTBOUND_ALLOW takes it."""
        return self.url.removeprefix("http://")

    def may(self, right: str) -> bool:
        return right in ROLES[self.role]

    def add(
        self, title: str = "A stranger's", content: str = "Mine.", status: str = "publish", **more: Any
    ) -> int:
        """A post that somebody wrote in WordPress itself."""
        id = max(self.posts, default=100) + 1
        empty = {"excerpt": "", "meta": {}, "slug": "", "date_gmt": None, "featured_media": 0, "modified": 0}
        texts = {"title": title, "content": content, "status": status}
        self.posts[id] = texts | empty | {"categories": [1], "tags": [], "author": 1} | more
        self.posts[id]["meta"] = dict(self.posts[id]["meta"])
        self.posts[id]["slug"] = self._free_slug(id, self.posts[id]["slug"] or _slug(title))
        return id

    def trash(self, id: int) -> None:
        self.posts[id] |= {"status": "trash", "slug": self.posts[id]["slug"] + "__trashed"}

    def write(self, id: int | None, sent: dict[str, Any]) -> Answer:
        """Create or change a post."""
        if not self.may("edit_posts"):
            return _error(403, "rest_cannot_create")
        if sent.get("status") in PUBLIC and not self.may("publish_posts"):
            return _error(403, "rest_cannot_publish")
        if sent.get("author", 1) != 1 and not self.may("edit_others_posts"):
            return _error(403, "rest_cannot_edit_others")
        if id is not None and id not in self.posts:
            return _error(404, "rest_post_invalid_id")
        made = id is None
        id = self.add(status="draft", content="", title="") if id is None else id
        post = self.posts[id]
        known = {name: sent[name] for name in post.keys() & sent.keys() if name != "meta"}
        post |= known | {"modified": post["modified"] + 1}
        self._schedule(post)
        post["meta"] |= {name: text for name, text in sent.get("meta", {}).items() if name in self.metas}
        post["slug"] = self._free_slug(id, post["slug"] or _slug(post["title"]))
        return (201 if made else 200), self.shown(id)

    def _schedule(self, post: dict[str, Any]) -> None:
        """As WordPress does: whether a post that is or becomes public is scheduled follows from its date."""
        if post["status"] in ("publish", "future"):
            at = post["date_gmt"] or f"{self.now():%Y-%m-%dT%H:%M:%S}"
            is_ahead = datetime.fromisoformat(at).replace(tzinfo=UTC) > self.now()
            post |= {"date_gmt": at, "status": "future" if is_ahead else "publish"}

    def upload(self, name: str, media_type: str) -> Answer:
        if not self.may("upload_files"):
            return _error(403, "rest_cannot_create")
        id = max(self.media, default=500) + 1
        self.media[id] = name.partition(".")[0], media_type
        return 201, {"id": id, "slug": self.media[id][0]}

    def find(self, query: dict[str, str]) -> Answer:
        statuses = query.get("status", "publish").split(",")
        if statuses != ["publish"] and not self.may("edit_posts"):
            return _forbidden_status(403)
        slugs = query["slug"].split(",") if "slug" in query else None
        found = [
            id for id, post in self.posts.items()
            if post["status"] in statuses and (slugs is None or post["slug"] in slugs)
            and query.get("search", "") in post["title"] + post["content"]
        ]  # fmt: skip
        return 200, [self.shown(id) for id in found]

    def find_pages(self, slugs: list[str]) -> Answer:
        return 200, [{"slug": slug, "parent": self.pages[slug]} for slug in slugs if slug in self.pages]

    def shown(self, id: int) -> dict[str, Any]:
        post = self.posts[id]
        if post["status"] == "future" and self.has_cron:
            self._schedule(post)
        texts = {
            name: {"raw": post[name], "rendered": post[name]} for name in ("title", "content", "excerpt")
        }
        plain = {name: post[name] for name in ("status", "date_gmt", "slug", "categories", "tags")}
        is_public = post["status"] == "publish"
        link = f"{self.url}/{post['slug']}/" if is_public else f"{self.url}/?p={id}"
        metas = {name: post["meta"].get(name, "") for name in self.metas}
        return {"id": id, "link": link, "meta": metas or [], **texts, **plain}

    def term(self, kind: str, sent: dict[str, Any]) -> Answer:
        if kind == "categories" and not self.may("manage_categories"):
            return _error(403, "rest_cannot_create")
        known = {name.lower(): id for id, name in self.terms[kind].items()}
        if id := known.get(sent["name"].lower()):
            return _error(400, "term_exists", term_id=id)
        id = max(self.terms[kind], default=10) + 1
        self.terms[kind][id] = sent["name"]
        return 201, {"id": id, "name": html.escape(sent["name"], quote=False)}

    def _free_slug(self, id: int, wanted: str) -> str:
        if self.posts[id]["status"] not in PUBLIC:
            return wanted
        taken = {post["slug"] for other, post in self.posts.items() if other != id}
        slug, number = wanted, 2
        while slug in taken:
            slug, number = f"{wanted}-{number}", number + 1
        return slug


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _named(names: dict[int, str], wanted: str) -> list[dict[str, Any]]:
    """Rows with such a name, which WordPress stores with HTML's entities, and so looks for."""
    stored = {id: html.escape(name, quote=False) for id, name in names.items()}
    found = {id: name for id, name in stored.items() if wanted.lower() in name.lower()}
    return [{"id": id, "name": name, "slug": _slug(names[id])} for id, name in found.items()]


def _only(fields: str, row: Any) -> Any:
    """What `_fields` asks for, such as `id,title.raw`."""
    if isinstance(row, list):
        return [_only(fields, each) for each in row]
    if not isinstance(row, dict) or not fields:
        return row
    inner: dict[str, list[str]] = {}
    for name, _, rest in (asked.partition(".") for asked in fields.split(",")):
        inner.setdefault(name, []).append(rest)
    return {
        name: _only(",".join(filter(None, rest)), row[name]) for name, rest in inner.items() if name in row
    }


def _forbidden_status(status: int) -> Answer:
    details = {"status": {"code": "rest_forbidden_status", "data": {"status": status}}}
    return _error(400, "rest_invalid_param", details=details)


def _error(status: int, code: str, **data: Any) -> Answer:
    return status, {"code": code, "message": f"Sorry: {code}.", "data": {"status": status, **data}}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    site: WordPress

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        sent = self.rfile.read(length)
        if len(sent) == length:
            is_file = "Content-Disposition" in self.headers
            self._serve({"file": sent} if is_file else json.loads(sent or b"{}"))

    def _serve(self, sent: dict[str, Any]) -> None:
        site, parts = self.site, urlsplit(self.path)
        site.calls.append(f"{self.command} {parts.path}")
        if image := site.images.get(parts.path):
            self._show_image(*image)
            return
        time.sleep(site.slow)
        is_write = self.command == "POST"
        if is_write and site.meanwhile:
            meanwhile, site.meanwhile = site.meanwhile, None
            meanwhile(parts.path, str(sent))
        with site.lock:
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            status, body = site.refusals.pop(0) if site.refusals else self._answer(parts.path, query, sent)
            body = _only(query.get("_fields", ""), body) if status < 300 else body
            if is_write and site.forgets and status < 300:
                site.forgets -= 1
                self.close_connection = True
                return
        self._send(status, body)

    def _show_image(self, media_type: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, path: str, query: dict[str, str], sent: dict[str, Any]) -> Answer:
        site = self.site
        if path == "/":
            traces = '<meta name="generator" content="WordPress 6.1.9" /><link href="/wp-content/">'
            return 200, traces + site.name
        if path == "/wp-json/":
            ways = {"application-passwords": {}}
            return 200, {"name": site.name, "namespaces": ["oembed/1.0", "wp/v2"], "authentication": ways}
        inside = path.removeprefix("/wp-json/wp/v2/").strip("/")
        if not self._is_signed_in():
            is_list = inside == "posts" and not sent
            return _forbidden_status(401) if is_list else _error(401, "rest_not_logged_in")
        return self._write(inside, sent) if sent else self._read(inside, query)

    def _read(self, path: str, query: dict[str, str]) -> Answer:  # noqa: PLR0911 - one for each address
        site = self.site
        match path.split("/"):
            case ["users", "me"]:
                may = dict.fromkeys(ROLES[site.role], True)
                return 200, {"id": 1, "name": site.users[1], "capabilities": may}
            case ["users"]:
                # An editor sees those who have published, unless it asks for all authors.
                seen = site.users if query.get("who") == "authors" else {1: site.users[1]}
                return 200, _named(seen, query["search"])
            case ["posts" | "pages" as kind]:
                return site.find(query) if kind == "posts" else site.find_pages(query["slug"].split(","))
            case ["posts", id]:
                known = int(id) in site.posts
                return (200, site.shown(int(id))) if known else _error(404, "rest_post_invalid_id")
            case ["media"]:
                found = [id for id, (name, _) in site.media.items() if name == query["slug"]]
                return 200, [{"id": id, "slug": query["slug"]} for id in found]
            case ["categories" | "tags" as kind]:
                return 200, _named(site.terms[kind], query["search"])
        return _error(404, "rest_no_route")

    def _write(self, path: str, sent: dict[str, Any]) -> Answer:
        match path.split("/"):
            case ["posts"]:
                return self.site.write(None, sent)
            case ["posts", id]:
                return self.site.write(int(id), sent)
            case ["media"]:
                name = self.headers["Content-Disposition"].partition('filename="')[2].rstrip('"')
                return self.site.upload(name, self.headers["Content-Type"])
            case ["categories" | "tags" as kind]:
                return self.site.term(kind, sent)
        return _error(404, "rest_no_route")

    def _is_signed_in(self) -> bool:
        given = self.headers.get("Authorization", "")
        user, _, password = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
        return (user, password.replace(" ", "")) == (self.site.username, self.site.password.replace(" ", ""))

    def _send(self, status: int, body: Any) -> None:
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests stay quiet."""


@contextmanager
def serving(**how: Any) -> Iterator[WordPress]:
    """A WordPress on a free port, for the length of the block."""
    site = WordPress(**how)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfThisSite", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
