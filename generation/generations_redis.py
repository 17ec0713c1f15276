"""Generations in Redis, as a gateway sees them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgpack
import redis

from generation import keys, scripts_redis
from generation.generations import (
    FinishReason,
    Generation,
    OnDisconnect,
    Snapshot,
    Status,
    Usage,
)
from generation.store import Admitted, Requester
from inference import connection_redis
from inference import metrics_prometheus as metrics
from inference.batching import work
from inference.errors import Overloaded
from policy.keys import stream_group
from policy.limits_redis import Bucket, limited

COUNTED = {
    "generations": ("site", "stream", "user", "session", "address", "api_key"),
    "open_generations": ("site", "stream", "user", "session", "address", "api_key"),
    "waiting_generations": ("all", "site"),
    "work": ("site", "stream", "user", "address", "api_key"),
    "tokens": ("site", "user", "api_key"),
}
"""By which scopes each resource is limited; see `streams.limits`, which is above this package."""
FULL = {
    "all.waiting_generations": "Too many generations wait for a worker.",
    "site.waiting_generations": "Too many generations of this site wait for a worker.",
}
"""What a full queue is answered with, by the name of its cap."""
AWAY = "Generations are away for a moment."


class RedisGenerations:
    """Implements `generation.store.Generations`; one for each process, which may be a gateway.

    `home` is a group that it is in anyhow.
    """

    def __init__(self, url: str, prefix: str = "rtai", gateway: str = "", home: str = "") -> None:
        self._url = url
        self.home = home
        self._gateway = gateway
        self._prefix = prefix

    async def admit(self, generation: Generation, requester: Requester) -> Admitted:
        """See `generation.store.Generations`."""
        arguments = self._arguments(generation, requester)
        return _admitted(await self._run(scripts_redis.ADMIT, [], [msgpack.packb(arguments)]))

    def admit_sync(self, generation: Generation, requester: Requester) -> Admitted:
        """The same for callers without an event loop."""
        script = connection_redis.client(self._url).register_script(scripts_redis.ADMIT)
        arguments = self._arguments(generation, requester)
        try:
            found = script([], [msgpack.packb(arguments)])
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY, retry_after_ms=1_000) from error
        return _admitted(cast(list[Any], found))

    async def read(self, id: str) -> Snapshot | None:
        """See `generation.store.Generations`."""
        found = await self._run(scripts_redis.READ, [], [id])
        return _snapshot(found) if found else None

    async def running(self, site: str, stream: str) -> Sequence[Snapshot]:
        """See `generation.store.Generations`; by age."""
        found = await self._run(scripts_redis.RUNNING, [keys.running(site, stream)], [])
        snapshots = [_snapshot(each) for each in found]
        return sorted(snapshots, key=lambda each: each.generation.id)

    async def named(self, site: str, user: str, ref: str) -> str | None:
        """See `generation.store.Generations`."""
        try:
            found = await connection_redis.async_client(self._url).get(keys.ref(site, user, ref))
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY, retry_after_ms=1_000) from error
        return cast(str | None, found)

    async def cancel(self, id: str) -> bool:
        """See `generation.store.Generations`."""
        found = await self._run(scripts_redis.CANCEL, [], [id])
        if found == 2:
            metrics.GENERATIONS.labels(reason=FinishReason.CANCELLED.value).inc()
        return bool(found)

    async def sweep(self) -> Sequence[str]:
        """See `generation.store.Generations`."""
        interrupted, cancelled, again = await self._run(scripts_redis.SWEEP, [], [])
        metrics.GENERATIONS.labels(reason=FinishReason.INTERRUPTED.value).inc(interrupted)
        metrics.GENERATIONS.labels(reason=FinishReason.CANCELLED.value).inc(cancelled)
        return cast(list[str], again)

    def _arguments(self, generation: Generation, requester: Requester) -> dict[str, Any]:
        counted = _buckets(requester, generation.stream)
        metered, judging = counted["tokens"], _judging(generation)
        asked, judged = counted["generations"], counted["work"] if judging else []
        caps = [*asked, *counted["open_generations"]]
        ref = keys.ref(generation.site, generation.owner.id, generation.ref)
        return {
            "id": generation.id,
            "fields": {
                **self._fields(generation),
                "gateway": self._gateway if requester.api_key else "",
                "active": json.dumps(_sets(asked)),
                "meters": json.dumps([[bucket.name, bucket.key] for bucket in metered]),
            },
            "deadline_ms": generation.deadline_ms,
            "attended": generation.on_disconnect is OnDisconnect.CANCEL,
            "ref_key": ref if generation.ref else "",
            "queue_names": [bucket.name for bucket in counted["waiting_generations"]],
            "queues": _sets(counted["waiting_generations"]),
            "cap_names": [bucket.name for bucket in caps],
            "caps": _sets(caps),
            "names": [bucket.name for bucket in (*asked, *judged)],
            "buckets": [bucket.key for bucket in (*asked, *judged)],
            "units": [1] * len(asked) + [judging] * len(judged),
            "active": _sets(asked),
            "meter_names": [bucket.name for bucket in metered],
            "meters": [bucket.key for bucket in metered],
        }

    def _fields(self, generation: Generation) -> dict[str, str]:
        site, stream = generation.site, generation.stream
        group = stream_group(site, stream) if stream is not None else keys.group(generation.id)
        return {
            "body": json.dumps(generation.as_json()),
            "site": site,
            "stream": stream or "",
            "user": generation.owner.id,
            "ref": generation.ref,
            "session": generation.session,
            "model": generation.model,
            "channel": self._channel(group),
            "home": self._channel(self.home) if self.home and stream is None else "",
        }

    def _channel(self, group: str) -> str:
        return f"{self._prefix}__group__{group}"

    async def _run(self, text: str, names: list[str], arguments: list[Any]) -> Any:
        script: Any = connection_redis.async_client(self._url).register_script(text)
        try:
            return await script(names, arguments)
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY, retry_after_ms=1_000) from error


def _admitted(found: Sequence[Any]) -> Admitted:
    outcome, *rest = found
    if outcome == "limited":
        if rest[0] in FULL:
            raise Overloaded(FULL[rest[0]], retry_after_ms=rest[1])
        raise limited(rest[0], rest[1])
    return Admitted(rest[0], outcome == "fresh", heard=bool(rest[1]))


def _buckets(requester: Requester, stream: str | None) -> Mapping[str, Sequence[Bucket]]:
    """Everything that a generation counts against, by what is counted."""
    site = requester.site
    subjects = {
        "all": "all",
        "site": site,
        "stream": f"{site}/{stream}" if stream is not None else "",
        "user": requester.user and f"{site}:{requester.user}",
        "session": requester.session,
        "address": requester.address and f"{site}:{requester.address}",
        "api_key": requester.api_key,
    }
    return {
        resource: [
            Bucket(f"{scope}.{resource}", subjects[scope]) for scope in scopes if subjects[scope]
        ]
        for resource, scopes in COUNTED.items()
    }


def _judging(generation: Generation) -> int:
    """What judging the prompt costs, in tokens; nothing where a verdict allowed it before."""
    asked = generation.turns[len(generation.turns) - generation.judged :]
    return sum(work(turn.content) for turn in asked)


def _sets(buckets: Sequence[Bucket]) -> list[str]:
    """Where what the caps of these names count is found."""
    return [keys.active(each.name.partition(".")[0], each.subject) for each in buckets]


def _snapshot(found: Sequence[str]) -> Snapshot:
    body, status, finish, prompt_tokens, completion_tokens, code, detail, wait_ms, text = found
    return Snapshot(
        generation=Generation.from_json(json.loads(body)),
        status=Status(status),
        text=text,
        finish=FinishReason(finish) if finish else None,
        usage=Usage(int(prompt_tokens or 0), int(completion_tokens or 0)),
        code=code,
        detail=detail,
        retry_after_ms=int(wait_ms) if wait_ms else None,
    )
