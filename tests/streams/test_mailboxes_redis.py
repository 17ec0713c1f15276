import json

import pytest
import redis

from inference.errors import Overloaded
from streams import keys
from streams.audience import Mail
from streams.mailboxes_redis import RedisMailboxes


async def test_mail_is_read_by_user_and_forgotten_by_id(url: str, valkey: redis.Redis) -> None:
    mailboxes = RedisMailboxes(url)
    for id in ("2", "1"):
        stored = json.dumps({"frame": f"public {id}", "moderator_frame": f"full {id}"})
        valkey.hset(keys.mailbox("demo", "ann"), id, stored)
    found = await mailboxes.read([("demo", "ann"), ("demo", "bob")])
    assert found == [[Mail("1", "public 1", "full 1"), Mail("2", "public 2", "full 2")], []]

    await mailboxes.remove([("demo", "ann", "1")])
    assert valkey.hkeys(keys.mailbox("demo", "ann")) == ["2"]


async def test_mail_that_is_away_is_told() -> None:
    mailboxes = RedisMailboxes("unix:///nowhere/valkey.sock")
    with pytest.raises(Overloaded):
        await mailboxes.read([("demo", "ann")])
    with pytest.raises(Overloaded):
        await mailboxes.remove([("demo", "ann", "1")])
