"""What is stored of a site's API keys."""

import hashlib


def digest(key: str) -> str:
    """A key's SHA-256 in hex. Keys are random, so no salt and no slow hash are needed."""
    return hashlib.sha256(key.encode()).hexdigest()
