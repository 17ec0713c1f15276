import base64
import json
import time
from typing import Any

import jwt
import pytest

from streams import tokens_jwt
from streams.tokens import Claims, ExpiredToken, InvalidToken

KEY = "k" * 48
NOW = 1_800_000_000
CLAIMS = Claims("demo", "ann", "Ann", ("lobby",), "member", NOW + 600)


def signed(key: str = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    payload = {**CLAIMS.as_json(), **changes}
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, key, algorithm)


def test_a_minted_token_says_what_it_was_given() -> None:
    assert tokens_jwt.verify(KEY, tokens_jwt.mint(KEY, CLAIMS), NOW) == CLAIMS


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


UNSIGNED = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(CLAIMS.as_json())}."


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "a.b.c",
        "é.é.é",
        UNSIGNED,
        UNSIGNED.replace(part({"alg": "none", "typ": "JWT"}), part({"alg": "None"})),
        signed()[:-2] + ("AA" if not signed().endswith("AA") else "BB"),
        signed().replace(".", ".A", 1),
        signed("other" * 10),
        signed(KEY + "x" * 16, "HS512"),
        signed(site=None),
        signed(site=""),
        signed(site=5),
        signed(site="a" * 33),
        signed(sub=None),
        signed(sub="a" * 129),
        signed(sub="a\0"),
        signed(sub="\ud800"),
        signed(name=None),
        signed(name=["Ann"]),
        signed(streams=None),
        signed(streams="*"),
        signed(streams=[1]),
        signed(streams=[""]),
        signed(role=None),
        signed(role="admin"),
        signed(role=["moderator"]),
        signed(exp=None),
        signed(exp=str(NOW + 10)),
        signed(exp=True),
        signed(exp=NOW + 3600),
        signed(exp=10**400),
    ],
)
def test_what_is_not_genuine_or_not_complete_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens_jwt.verify(KEY, token, NOW)


def test_a_genuine_token_past_its_time_is_told_apart() -> None:
    with pytest.raises(ExpiredToken) as caught:
        tokens_jwt.verify(KEY, signed(exp=NOW), NOW)

    assert caught.value.claims.sub == "ann"


def test_a_forged_token_past_its_time_is_just_forged() -> None:
    with pytest.raises(InvalidToken):
        tokens_jwt.verify(KEY, signed("other" * 10, exp=int(time.time()) - 60), time.time())
