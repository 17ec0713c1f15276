"""Where a client gets its tokens."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from rtai_client.errors import TokenRefused

TIMEOUT_S = 10
RENEW_BEFORE_S = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A JWT and when it expires, in seconds since the Unix epoch."""

    value: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at})"


Tokens = Callable[[bool], Awaitable[Token]]
"""Gives a token; with True it must be a new one."""


class ApiTokens:
    """Mints tokens with a site's API key, which belongs on servers only."""

    def __init__(self, url: str, api_key: str, sub: str, **claims: object) -> None:
        """`claims` may be `name`, `role`, `streams` and `ttl_s`."""
        self._url = f"{url.rstrip('/')}/api/v1/tokens"
        self._api_key = api_key
        self._body = json.dumps({"sub": sub, **claims}).encode()
        self._token: Token | None = None

    async def __call__(self, fresh: bool) -> Token:
        """The last token while it is good for a minute or more; raises OSError, and
        TokenRefused where another attempt would not help."""
        token = self._token
        if fresh or token is None or token.expires_at - time.time() < RENEW_BEFORE_S:
            token = self._token = await asyncio.to_thread(self._mint)
        return token

    def _mint(self) -> Token:
        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, self._body, headers)  # noqa: S310 (given by the caller)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                found = json.load(response)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 429 or error.code >= 500:
                raise
            raise TokenRefused(error.code, error.reason) from None
        return Token(found["token"], datetime.fromisoformat(found["expires_at"]).timestamp())
