"""Secrets of connections, encrypted at rest with a key derived from SECRET_KEY."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.settings import Settings

PURPOSE = b"secrets of connections"


class Unreadable(Exception):
    """Encrypted with a key that this installation no longer has."""


class SecretBox:
    """Encrypts with the first key, decrypts with any of them."""

    def __init__(self, *keys: str) -> None:
        ciphers = [Fernet(_derived(key)) for key in keys]
        self._first, self._ciphers = ciphers[0], MultiFernet(ciphers)

    @classmethod
    def of(cls, settings: Settings) -> "SecretBox":
        """Keys derived from SECRET_KEY and, while it is being replaced, SECRET_KEY_OLD."""
        old = settings.secret_key_old.get_secret_value()
        return cls(settings.signing_key, *([old] if old else []))

    def seal(self, secret: str) -> str:
        """Encrypt; the result differs each time."""
        return self._ciphers.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt; an empty text stays empty. Raises Unreadable."""
        if not sealed:
            return ""
        try:
            return self._ciphers.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unreadable from None

    def reseal(self, sealed: str) -> str | None:
        """Encrypt it again with the first key; None if it is already. Raises Unreadable."""
        try:
            self._first.decrypt(sealed.encode())
        except InvalidToken:
            return self.seal(self.open(sealed))
        return None


def _derived(key: str) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
