"""A device that keeps passkeys, in software, after the specification: WebAuthn Level 3, sections 6.1, 6.5 and 5.8.1.

What it answers can be wrong in any one thing.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, MADE = 0x01, 0x04, 0x40


@dataclass
class Device:
    """One passkey. origin: of the page that the browser shows · count: how often it was used; 0 for ever where it does
    not count."""

    rp_id: str
    origin: str
    counts: bool = True
    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: str = ""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: str, **wrong: Any) -> str:
        """The answer of `navigator.credentials.create`."""
        asked = json.loads(options)
        self.handle = asked["user"]["id"]
        client = self._client_data("webauthn.create", asked["challenge"], wrong)
        made = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + self._public_key()
        data = self._authenticator_data(MADE, wrong) + made
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer({"clientDataJSON": client, "attestationObject": attestation})

    def sign(self, options: str, **wrong: Any) -> str:
        """The answer of `navigator.credentials.get`.

        wrong: `origin`, `crossOrigin`, `rp_id`, `challenge`, `type`, `flags`, `count`, `handle`, `key` (that signs) in
        place of the right ones.
        """
        client = self._client_data("webauthn.get", json.loads(options)["challenge"], wrong)
        if self.counts and "count" not in wrong:
            self.count += 1
        data = self._authenticator_data(0, wrong)
        signed = wrong.get("key", self.key).sign(
            data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256())
        )
        handle = base64url_to_bytes(wrong.get("handle", self.handle))
        return self._answer(
            {"clientDataJSON": client, "authenticatorData": data, "signature": signed, "userHandle": handle}
        )

    def _client_data(self, type: str, challenge: str, wrong: dict[str, Any]) -> bytes:
        said = {"type": type, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | {name: wrong[name] for name in said.keys() & wrong.keys()}).encode()

    def _authenticator_data(self, flags: int, wrong: dict[str, Any]) -> bytes:
        rp_id = wrong.get("rp_id", self.rp_id)
        flags |= wrong.get("flags", PRESENT | VERIFIED)
        return (
            hashlib.sha256(rp_id.encode()).digest()
            + bytes([flags])
            + wrong.get("count", self.count).to_bytes(4, "big")
        )

    def _public_key(self) -> bytes:
        """COSE: an EC2 key for ES256 on P-256."""
        point = self.key.public_key().public_numbers()
        return encode_cbor(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )

    def _answer(self, response: dict[str, bytes]) -> str:
        name = bytes_to_base64url(self.id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}}
            | {"response": {key: bytes_to_base64url(value) for key, value in response.items()}}
        )
