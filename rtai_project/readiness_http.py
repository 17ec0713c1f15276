"""Asks the running server whether it can judge a message now."""

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of /readyz: the reason is empty when it is ready."""

    ready: bool
    reason: str = ""


def ask(base: str, *, timeout_s: float = 12.0) -> Readiness:
    """Readiness of the server at `base`; never raises for a server that is away."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return Readiness(False, f"the server does not answer yet ({type(error).__name__})")
    finally:
        connection.close()
    if response.status == http.client.OK:
        return Readiness(True)
    return Readiness(False, f"status {response.status}: {' '.join(body.split())[:300]}")
