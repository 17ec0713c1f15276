"""Generations in Redis, as a worker sees them."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import redis

from generation import keys, scripts_redis
from generation.generations import FinishReason, Generation, Usage
from inference.errors import Overloaded

REMEMBERED = (FinishReason.STOP, FinishReason.LENGTH, FinishReason.CANCELLED)
"""After these the exchange is part of the conversation."""


def announce(client: "redis.Redis") -> None:
    """Says that a worker is about to take what waits; raises redis.RedisError."""
    client.set(keys.WORKED, "1", px=scripts_redis.UNTAKEN_MS)


class RedisWork:
    """Implements `generation.store.Work`; one for each process, used by many threads.

    Every claim has a name of its own, which is the fence: after another took over, or the sweeper
    ended it, nothing of this claim has an effect any more.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._claims: dict[str, str] = {}
        self._claim = client.register_script(scripts_redis.CLAIM)
        self._start = client.register_script(scripts_redis.START)
        self._append = client.register_script(scripts_redis.APPEND)
        self._renew = client.register_script(scripts_redis.RENEW)
        self._finish = client.register_script(scripts_redis.FINISH)

    def claim(self, id: str) -> Generation | None:
        """See `generation.store.Work`."""
        return self._take(id)

    def claim_next(self) -> Generation | None:
        """See `generation.store.Work`."""
        return self._take("")

    def start(self, generation: Generation) -> bool:
        """See `generation.store.Work`."""
        return bool(_run(self._start, generation.id, self._of(generation)))

    def append(self, generation: Generation, start: int, text: str) -> int | None:
        """See `generation.store.Work`."""
        claim, count = self._of(generation), len(text)
        length = int(_run(self._append, generation.id, claim, start, count, text))
        return None if length < 0 else length

    def renew(self, ids: Sequence[str]) -> Mapping[str, bool]:
        """See `generation.store.Work`."""
        return self._look(ids, renew=True)

    def stopped(self, ids: Sequence[str]) -> Mapping[str, bool]:
        """See `generation.store.Work`."""
        return self._look(ids, renew=False)

    def finish(  # noqa: PLR0913 (an end has as many parts)
        self,
        generation: Generation,
        reason: FinishReason,
        usage: Usage,
        *,
        code: str = "",
        detail: str = "",
        retry_after_ms: int | None = None,
    ) -> bool:
        """See `generation.store.Work`."""
        remembers = generation.remember and reason in REMEMBERED
        user = generation.owner.id
        arguments = {
            "id": generation.id,
            "claim": self._of(generation),
            "reason": reason.value,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "code": code,
            "detail": detail,
            "retry_after_ms": retry_after_ms,
            "conversation": keys.conversation(generation.site, user) if remembers else "",
            "turn": _turn(generation),
        }
        found = bool(_run(self._finish, msgpack.packb(arguments)))
        self._claims.pop(generation.id, None)
        return found

    def _take(self, id: str) -> Generation | None:
        claim = secrets.token_hex(8)
        if not (found := _run(self._claim, id, claim)):
            return None
        self._claims[found[0]] = claim
        return Generation.from_json(json.loads(found[1]))

    def _look(self, ids: Sequence[str], *, renew: bool) -> Mapping[str, bool]:
        if not ids:
            return {}
        claims = [part for id in ids for part in (id, self._claims.get(id, ""))]
        found = _run(self._renew, int(renew), *claims)
        return {id: bool(ours) for id, ours in found}

    def _of(self, generation: Generation) -> str:
        return self._claims.get(generation.id, "")


def _run(script: Any, *arguments: bytes | str | int) -> Any:
    try:
        return script([], arguments)
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Generations are away for a moment.") from error


def _turn(generation: Generation) -> str:
    """What was asked, as conversations keep it."""
    last = generation.turns[-1]
    return json.dumps({"role": last.role.value, "content": last.content}, ensure_ascii=False)
