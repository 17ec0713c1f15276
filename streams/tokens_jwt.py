"""Tokens as JWT, signed with HMAC-SHA-256 under the installation's secret and nothing else."""

from functools import lru_cache

import jwt
from jwt.algorithms import HMACAlgorithm

from streams.tokens import Claims, InvalidToken, check_time

ALGORITHM = "HS256"


class _Hmac(HMACAlgorithm):
    """PyJWT's, which otherwise looks at every call whether the key is no certificate."""

    prepare_key = lru_cache(maxsize=8)(HMACAlgorithm.prepare_key)


jwt.unregister_algorithm(ALGORITHM)
jwt.register_algorithm(ALGORITHM, _Hmac(HMACAlgorithm.SHA256))


def mint(key: str, claims: Claims) -> str:
    """A signed token with these claims."""
    return jwt.encode(claims.as_json(), key, algorithm=ALGORITHM)


def verify(key: str, token: str, now: float) -> Claims:
    """The claims of a genuine token at `now` (seconds since the Unix epoch).

    Raises InvalidToken, or ExpiredToken where only its time is over.
    """
    try:
        # The time is checked below, with the clock that was given.
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        payload = jwt.decode(token, key, algorithms=[ALGORITHM], options=options)  # type: ignore[arg-type]
    except (jwt.InvalidTokenError, UnicodeError):  # The latter from lone surrogates.
        raise InvalidToken("The token is not genuine.") from None
    claims = Claims.from_json(payload)
    check_time(claims, now)
    return claims
