import json

import pytest
import redis

from inference.errors import Overloaded
from streams import keys
from streams.awaited import Mail
from streams.mailboxes_redis import RedisMailboxes
from streams.publisher_redis import MESSAGE_TTL_MS


async def test_mail_is_read_by_user_and_forgotten_by_id(url: str, valkey: redis.Redis) -> None:
    mailboxes = RedisMailboxes(url)
    for id in ("2", "1"):
        stored = json.dumps({"frame": f"public {id}", "moderator_frame": f"full {id}"})
        valkey.hset(keys.mailbox("demo", "ann"), id, stored)
    found = await mailboxes.read([("demo", "ann"), ("demo", "bob")])
    assert found == [[Mail("1", "public 1", "full 1"), Mail("2", "public 2", "full 2")], []]

    await mailboxes.remove([("demo", "ann", "1")])
    assert valkey.hkeys(keys.mailbox("demo", "ann")) == ["2"]


async def test_mail_that_was_put_back_is_read_again_and_has_a_lease(
    url: str, valkey: redis.Redis
) -> None:
    mailboxes, mails = RedisMailboxes(url), [Mail("1", "public", "full"), Mail("2", "x", "y")]
    await mailboxes.put({("demo", "ann", mail.id): mail for mail in mails})

    assert await mailboxes.read([("demo", "ann")]) == [mails]
    assert 0 < valkey.pttl(keys.mailbox("demo", "ann")) <= MESSAGE_TTL_MS


async def test_mail_that_is_away_is_told() -> None:
    mailboxes = RedisMailboxes("unix:///nowhere/valkey.sock")
    with pytest.raises(Overloaded):
        await mailboxes.read([("demo", "ann")])
    with pytest.raises(Overloaded):
        await mailboxes.remove([("demo", "ann", "1")])
    with pytest.raises(Overloaded):
        await mailboxes.put({("demo", "ann", "1"): Mail("1", "public", "full")})
