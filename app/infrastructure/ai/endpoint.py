"""Where an AI service is reached, with which key and models."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from app.infrastructure.ai.response_formats import MODES, Mode


@dataclass(frozen=True)
class Endpoint:
    """One connection. `mode`: how it is asked for JSON first · `key_setting`, `address_setting`: which to correct."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    article_model: str = ""
    embedding_model: str = ""
    mode: Mode = MODES[0]
    key_setting: str = "An administrator must check AI_API_KEY."
    address_setting: str = "Check AI_BASE_URL and AI_MODEL."

    def model_for(self, kind: str) -> str:
        """Articles may have a model of their own."""
        return (self.article_model if kind == "content" else "") or self.model

    @property
    def root(self) -> str:
        """The address without its query and without the path of the call, which people copy along."""
        parts = urlsplit(self.base_url)
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    @property
    def query(self) -> dict[str, str]:
        """Parameters of every call, such as Azure's `api-version`."""
        return dict(parse_qsl(urlsplit(self.base_url).query))

    @property
    def is_azure_deployment(self) -> bool:
        """Azure's deployments take the key in a header of their own."""
        return "/openai/deployments/" in self.base_url
