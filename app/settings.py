"""Every setting, typed and read once from the environment; a bad value stops the start and is named."""

import contextlib
import os
import secrets
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

READ_BY_NOTHING_YET = ("metrics_token", "history_days")


DATABASES = ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite://")
QUEUE_SERVERS = ("redis://", "rediss://", "unix://")


class SettingsError(Exception):
    """A setting that cannot be used; the message names it."""


class Settings(BaseSettings):
    """The README's table of settings, in the same order."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    port: int = Field(8000, ge=1, le=65535)
    host: str = "127.0.0.1"
    public_url: str = ""
    data_dir: Path = Path("var")
    database_url: str = ""
    redis_url: str = ""
    workers: int = Field(2, ge=1, le=64)
    secret_key: SecretStr = SecretStr("")
    secret_key_old: SecretStr = SecretStr("")
    trusted_proxies: int = Field(0, ge=0, le=5)
    ai_base_url: str = ""
    ai_api_key: SecretStr = SecretStr("")
    ai_model: str = ""
    smtp_url: SecretStr = SecretStr("")
    mail_from: str = ""
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = ()
    metrics_token: SecretStr = SecretStr("")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    history_days: int = Field(365, ge=7, le=3650)

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("outbound_allow")
    @classmethod
    def _hosts_and_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            parts = urlsplit(_whole_address(f"//{entry}"))
            if not parts.hostname or not parts.port or parts.netloc != entry or "@" in entry:
                raise ValueError(f"must be host:port, or several with commas between; “{entry}” is not")
        return value

    @field_validator("ai_base_url")
    @classmethod
    def _provider_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return _whole_address(value)

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database_address(cls, value: str) -> str:
        if value and not value.startswith(DATABASES):
            raise ValueError("must start with postgresql:// (SQLite needs no address)")
        return _whole_address(value)

    @field_validator("redis_url")
    @classmethod
    def _queue_address(cls, value: str) -> str:
        if value and not value.startswith(QUEUE_SERVERS):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return _whole_address(value)

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.resolve()

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not url.startswith(("smtp://", "smtps://")):
            raise ValueError("must start with smtp:// or smtps://")
        if url and not urlsplit(_whole_address(url)).hostname:
            raise ValueError("must name the mail server: smtp://host:587")
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        name, _, domain = parseaddr(value)[1].rpartition("@")
        if value and not (name and domain and value.isprintable()):
            raise ValueError("must be an address: Console <console@example.com>")
        return value

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.database_url and not self.secret_key.get_secret_value():
            raise ValueError("SECRET_KEY is required with DATABASE_URL: every process must share it")
        for name in ("secret_key", "secret_key_old"):
            if 0 < len(getattr(self, name).get_secret_value()) < 32:
                raise ValueError(f"{name.upper()} must have at least 32 characters")
        if self.smtp_url.get_secret_value() and not self.mail_from:
            raise ValueError("MAIL_FROM is required with SMTP_URL: mails need a sender")
        return self

    @property
    def sends_mail(self) -> bool:
        """Whether there is a mail server; without one links are shown on pages."""
        return bool(self.smtp_url.get_secret_value())

    @property
    def site_url(self) -> str:
        """The console's address for staff, without a trailing slash."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 - compares, binds nothing
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def takes_own_addresses(self) -> bool:
        """Whether staff may use any address of this machine: it listens beyond loopback and has no PUBLIC_URL."""
        return not self.public_url and self.host not in ("127.0.0.1", "::1", "localhost")

    @property
    def without_effect(self) -> list[str]:
        """Names of settings that are set and not used by this version."""
        return [name.upper() for name in READ_BY_NOTHING_YET if name in self.model_fields_set]

    @property
    def is_https(self) -> bool:
        """Whether cookies may be Secure and HSTS is sent."""
        return self.site_url.startswith("https://")

    @property
    def sqlalchemy_url(self) -> str:
        """DATABASE_URL for psycopg 3, or the embedded SQLite file."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'igny8.sqlite3'}"
        scheme, _, rest = self.database_url.partition("://")
        return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else self.database_url

    @cached_property
    def signing_key(self) -> str:
        """SECRET_KEY, or the key created once in DATA_DIR, readable only by its owner."""
        return self.secret_key.get_secret_value() or _kept_secret(self.data_dir / "secret_key")


def _whole_address(value: str) -> str:
    """The address as it is. Raises ValueError where its port or host cannot be read; never shows its password."""
    try:
        _ = urlsplit(value).port
    except ValueError:
        raise ValueError("must be a whole address, with a number as its port") from None
    return value


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        # A link appears whole or not at all: of two processes that start together one creates the key.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def load_settings() -> Settings:
    """The settings of this process. Raises SettingsError naming the bad setting."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_sentence(item["loc"], item["msg"]) for item in error.errors())
        ) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]).upper() if location else ""
    return f"{name}: {message.removeprefix('Value error, ')}".removeprefix(": ")
