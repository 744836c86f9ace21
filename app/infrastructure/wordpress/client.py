"""Client of WordPress's REST API with bounded calls; every failure is a ProviderFault."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx2 as httpx

from app.business.language_model import ProviderFault
from app.business.outlets.site_publisher import SiteConnection
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.outbound.transport import MEGABYTE, AnswerTooLarge, Bounds, outbound_client
from app.infrastructure.secret_box import SecretBox, Unreadable
from app.infrastructure.wordpress import faults

SEO_METAS = (
    "_yoast_wpseo_title",
    "_yoast_wpseo_metadesc",
    "_yoast_wpseo_focuskw",
    "rank_math_title",
    "rank_math_description",
    "rank_math_focus_keyword",
)
BOUNDS = Bounds(connect=10, silence=30, total=40, size=MEGABYTE)
FIELDS = {
    "": "name,namespaces,authentication",
    "posts": ",".join(
        (
            "id",
            "link",
            "status",
            "date_gmt",
            "slug",
            "title.raw",
            "content.raw",
            *(f"meta.{name}" for name in SEO_METAS),
        )
    ),
    "media": "id,slug",
    "pages": "slug,parent",
    "categories": "id,name",
    "tags": "id,name",
    "users": "id,slug,name,capabilities",
}
"""Requested fields by the first part of a path: an article's raw text, not the rendered copies of it."""
LATEST_WRITE = 45.0
"""Seconds after its start in which an exchange may still write. Less than the lease of a run, so that a process that
was suspended never writes concurrently with the one that took over."""

Fields = Mapping[str, Any]


class WordPressClient:
    """Calls to one site as one user, for one unit."""

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        policy: OutboundPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url, self.auth = url.rstrip("/"), httpx.BasicAuth(username.encode(), password.encode())
        self.clock, self.begun = clock, clock()
        self._client = outbound_client(policy, BOUNDS)

    @classmethod
    def of(cls, connection: SiteConnection, box: SecretBox, policy: OutboundPolicy) -> Self:
        """Decrypts the password. Raises ProviderFault if that is not possible."""
        try:
            password = box.open(connection.password_sealed)
        except Unreadable:
            message = (
                "The stored application password cannot be read any more. Enter it again on the site's page."
            )
            raise ProviderFault("misconfigured", message) from None
        return cls(connection.url, connection.username, password, policy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def read(self, path: str, **query: Any) -> Any:
        """GET a path of the API, as JSON. Raises ProviderFault."""
        response = self.try_read(path, **query)
        if not response.is_success:
            raise faults.of_answer(response)
        return _json_of(response)

    def write(self, path: str, fields: Fields) -> Any:
        """POST to a path of the API. Raises ProviderFault."""
        response = self.try_write(path, fields)
        if not response.is_success:
            raise faults.of_answer(response)
        return _json_of(response)

    def upload(self, file_name: str, media_type: str, data: bytes) -> Any:
        """Add a file to the media. Raises ProviderFault."""
        self._require_time()
        headers = {"content-disposition": f'attachment; filename="{file_name}"', "content-type": media_type}
        response = self._send(
            "POST", "/wp-json/wp/v2/media", params=_asked("media"), headers=headers, content=data
        )
        if not response.is_success:
            raise faults.of_answer(response)
        return _json_of(response)

    def try_write(self, path: str, fields: Fields) -> httpx.Response:
        """Like `write`, but returns the answer with any status. Raises ProviderFault without an answer."""
        self._require_time()
        return self._send("POST", f"/wp-json/wp/v2/{path}", params=_asked(path), json=dict(fields))

    def try_read(self, path: str, **query: Any) -> httpx.Response:
        """Like `read`, but returns the answer with any status. Raises ProviderFault without an answer."""
        return self._send("GET", f"/wp-json/wp/v2/{path}", params=query | _asked(path))

    def index(self) -> httpx.Response:
        """The API's index, with any status. Raises ProviderFault without an answer."""
        return self._send("GET", "/wp-json/", params=_asked(""))

    def page(self) -> httpx.Response:
        """The front page, without the password. Raises ProviderFault."""
        return self._send("GET", "/", auth=None)

    def _require_time(self) -> None:
        if self.clock() - self.begun > LATEST_WRITE:
            raise ProviderFault("timeout", "The site answered too slowly, so nothing more was sent to it.")

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            return self._client.request(method, self.url + path, **{"auth": self.auth, **sent})
        except (OutboundRefused, AnswerTooLarge, httpx.HTTPError, httpx.InvalidURL) as error:
            raise faults.of_exception(error) from error


def _asked(path: str) -> dict[str, str]:
    return {"_fields": FIELDS[path.partition("/")[0]]}


def _json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        message = "The site answered with a page instead of data: a plugin or a firewall stands in between."
        raise ProviderFault("bad_answer", message, detail=response.text[: faults.DETAIL_LIMIT]) from None
