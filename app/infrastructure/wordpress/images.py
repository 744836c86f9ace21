"""Fetches the featured image of an article from its address; every failure is a ProviderFault."""

from dataclasses import dataclass

import httpx2 as httpx

from app.business.language_model import ProviderFault
from app.infrastructure.outbound.policy import OutboundPolicy, OutboundRefused
from app.infrastructure.outbound.transport import MEGABYTE, AnswerTooLarge, Bounds, outbound_client

BOUNDS = Bounds(connect=10, silence=10, total=20, size=MEGABYTE)
ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif"}
NO_IMAGE = "At the address of the featured image is no image that WordPress takes (JPEG, PNG, WebP or GIF)."


@dataclass(frozen=True)
class Image:
    """The file and its type."""

    data: bytes
    type: str

    @property
    def ending(self) -> str:
        return ENDINGS[self.type]


def fetch_image(address: str, policy: OutboundPolicy) -> Image:
    """Raises ProviderFault."""
    try:
        with outbound_client(policy, BOUNDS) as client:
            response = client.get(address)
    except OutboundRefused as refusal:
        raise ProviderFault("misconfigured", f"The featured image: {refusal}") from refusal
    except AnswerTooLarge as error:
        message = "The featured image is larger than 1 MB. Make it smaller."
        raise ProviderFault("misconfigured", message) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{type(error).__name__}: {error}"
        raise ProviderFault(
            "connection", "The featured image could not be fetched.", detail=detail
        ) from error
    if response.status_code >= 500:
        raise ProviderFault("server_error", "The server of the featured image has trouble at the moment.")
    if not response.is_success:
        raise ProviderFault("misconfigured", f"{NO_IMAGE} It answers {response.status_code}.")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ENDINGS:
        raise ProviderFault("misconfigured", NO_IMAGE)
    return Image(response.content, kind)
