"""Secrets that are shown once: only their hash is stored."""

import hashlib
import secrets


def new_secret() -> str:
    """256 random bits, safe in addresses and cookies."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """The stored hash of a secret. The secret is random already, so a plain SHA-256 suffices."""
    return hashlib.sha256(secret.encode()).hexdigest()
