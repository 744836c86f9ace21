"""Secrets we hand out once: only their hash is kept."""

import hashlib
import secrets


def new_secret() -> str:
    """256 random bits that are safe in addresses and cookies."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """What is stored of a secret. It is random already, so a plain SHA-256 suffices."""
    return hashlib.sha256(secret.encode()).hexdigest()
