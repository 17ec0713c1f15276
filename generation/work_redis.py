"""Generations in Redis, as a worker sees them."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgpack
import redis

from generation import keys, scripts_redis, work_scripts_redis
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
        self._client = client
        self._claims: dict[str, str] = {}
        self._claim = client.register_script(work_scripts_redis.CLAIM)
        self._take = client.register_script(work_scripts_redis.TAKE)
        self._start = client.register_script(work_scripts_redis.START)
        self._append = client.register_script(work_scripts_redis.APPEND)
        self._renew = client.register_script(work_scripts_redis.RENEW)
        self._finish = client.register_script(work_scripts_redis.FINISH)

    def claim(self, id: str) -> Generation | None:
        """See `generation.store.Work`."""
        claim = secrets.token_hex(8)
        body = _run(self._claim, id, claim)
        return self._claimed(body, claim) if body else None

    def take(self, taker: str, most: int) -> Sequence[Generation]:
        """See `generation.store.Work`."""
        claim = secrets.token_hex(8)
        return [self._claimed(body, claim) for body in _run(self._take, taker, claim, most)]

    def wait(self) -> None:
        """See `generation.store.Work`."""
        _reached(lambda: self._client.blpop([keys.BELL], timeout=work_scripts_redis.IDLE_MS / 1000))

    def leave(self, taker: str) -> None:
        """See `generation.store.Work`."""
        _reached(lambda: self._client.zrem(keys.IDLE, taker))
        _reached(lambda: self._client.zrem(keys.TAKERS, taker))

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
        kept = generation.conversation if reason in REMEMBERED else None
        arguments = {
            "id": generation.id,
            "claim": self._of(generation),
            "reason": reason.value,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "code": code,
            "detail": detail,
            "retry_after_ms": retry_after_ms,
            "conversation": keys.conversation(**asdict(kept)) if kept else "",
            "said": _said(generation) if kept else [],
        }
        found = bool(_run(self._finish, msgpack.packb(arguments)))
        self._claims.pop(generation.id, None)
        return found

    def _claimed(self, body: str, claim: str) -> Generation:
        found = Generation.from_json(json.loads(body))
        self._claims[found.id] = claim
        return found

    def _look(self, ids: Sequence[str], *, renew: bool) -> Mapping[str, bool]:
        if not ids:
            return {}
        claims = [part for id in ids for part in (id, self._claims.get(id, ""))]
        found = _run(self._renew, int(renew), *claims)
        return {id: bool(ours) for id, ours in found}

    def _of(self, generation: Generation) -> str:
        return self._claims.get(generation.id, "")


def _run(script: Any, *arguments: bytes | str | int) -> Any:
    return _reached(lambda: script([], arguments))


def _reached(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Generations are away for a moment.") from error


def _said(generation: Generation) -> list[str]:
    """What was asked, as conversations keep it."""
    asked = generation.turns[len(generation.turns) - generation.judged :]
    return [
        json.dumps({"role": each.role.value, "content": each.content}, ensure_ascii=False)
        for each in asked
    ]
