"""Keys of other people's servers, as the database holds them: encrypted with a key that is not
in it.

Fernet (AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec); its key is derived from a
secret of the installation by keyed BLAKE2b (RFC 7693).
"""

import base64
from hashlib import blake2b

from cryptography.fernet import Fernet, InvalidToken

from inference.errors import ModelUnavailable

PURPOSE = b"upstream key"


def seal(secret: str, key: str) -> str:
    """The key as text for the database; an empty key stays empty."""
    return _fernet(secret).encrypt(key.encode()).decode() if key else ""


def unseal(secret: str, sealed: str) -> str:
    """The inverse of `seal`; raises ModelUnavailable if it was sealed with another secret."""
    if not sealed:
        return ""
    try:
        return _fernet(secret).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise ModelUnavailable(
            "The model's key was stored with another secrets.json; enter it again."
        ) from None


def _fernet(secret: str) -> Fernet:
    derived = blake2b(secret.encode(), digest_size=32, person=PURPOSE).digest()
    return Fernet(base64.urlsafe_b64encode(derived))
