"""Live sessions in Redis, under leases, so that those of a killed process disappear."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

import redis

from inference import connection_redis
from inference.errors import Overloaded
from policy.keys import GATEWAYS
from policy.limits_redis import Bucket, limited
from streams import keys
from streams.asking_redis import Script
from streams.clients import Client
from streams.session_scripts_redis import ATTACH, DETACH, HOLD, RELEASE, SILENT_MS, STREAM
from streams.session_store import BANNED, KICKED, LEASE_MS, Banned, Session, TooManyConnections

AWAY = "Sessions cannot be stored now."
UNSURE = "A gateway is silent; whether there is room is known when it is back or given up."
ENDED = {"banned": BANNED, "kicked": KICKED}
CHUNK = 256
"""Sessions renewed in one round trip."""

_hold, _release, _attach, _detach = (Script(text) for text in (HOLD, RELEASE, ATTACH, DETACH))


class RedisSessions:
    """The session store over Redis; one for each process."""

    def __init__(self, url: str, lease_ms: int = LEASE_MS) -> None:
        self._url = url
        self._lease_ms = lease_ms

    async def open(self, client: Client, gateway: str) -> None:
        """See `streams.session_store.SessionStore`."""
        names, arguments = self._hold(client, gateway, (), opening=True)
        _refuse(cast(list[Any], await self._run(_hold, names, arguments)))

    async def close(self, client: Client) -> None:
        """Forgets the session."""
        names = [keys.session(client.session), *_sets(client, ())]
        arguments = [keys.stream_sessions(client.site, ""), client.session]
        await self._run(_release, names, arguments)

    async def attach(self, client: Client, stream: str) -> None:
        """Adds a stream to the session."""
        names = [keys.session(client.session), keys.stream_sessions(client.site, stream)]
        await self._run(_attach, names, [STREAM + stream, self._lease_ms, client.session])

    async def detach(self, client: Client, stream: str) -> None:
        """Takes a stream from the session."""
        names = [keys.session(client.session), keys.stream_sessions(client.site, stream)]
        await self._run(_detach, names, [STREAM + stream, client.session])

    async def renew(
        self, sessions: Iterable[tuple[Client, Collection[str]]], gateway: str
    ) -> Mapping[str, str]:
        """See `streams.session_store.SessionStore`; a lost session counts as connected now."""
        remaining, ended = iter(sessions), dict[str, str]()
        while chunk := list(islice(remaining, CHUNK)):
            pipeline = self._client().pipeline(transaction=False)
            script = self._client().register_script(HOLD)
            for client, streams in chunk:
                arguments = self._hold(client, gateway, streams, opening=False)
                await script(*arguments, client=pipeline)
            outcomes = await self._execute(pipeline)
            found = zip(chunk, outcomes, strict=True)
            ended |= {
                client.session: ENDED[outcome]
                for (client, _), (outcome, *_) in found
                if outcome in ENDED
            }
        return ended

    def _hold(
        self, client: Client, gateway: str, streams: Collection[str], *, opening: bool
    ) -> tuple[list[Any], list[Any]]:
        sets, fields = list(_sets(client, streams)), _fields(client, gateway, streams)
        counted = list(_counted(client)) if opening else []
        names = [
            keys.session(client.session),
            keys.bans(client.site),
            keys.LIMITS,
            GATEWAYS,
            keys.kicks(client.site),
            *sets,
            *(Bucket(f"{scope}.connections", subject).key for scope, subject in counted),
        ]
        arguments = [
            int(opening),
            self._lease_ms,
            client.session,
            f"user:{client.user}",
            f"address:{client.address}",
            keys.session(""),
            len(sets),
            len(fields),
            *(part for field in fields.items() for part in field),
            *_limit_names(counted),
        ]
        return names, arguments

    def _client(self) -> "redis.asyncio.Redis":
        return connection_redis.async_client(self._url)

    async def _run(self, script: Script, names: list[str], arguments: list[Any]) -> Any:
        try:
            return await script(self._url, names, arguments)
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY, retry_after_ms=1_000) from error

    async def _execute(self, pipeline: Any) -> list[Any]:
        try:
            return cast(list[Any], await pipeline.execute())
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error


class LiveSessions:
    """What people see of all processes' sessions; synchronous, raises redis.RedisError."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def count(self, site: str, stream: str = "", user: str = "") -> int:
        """How many sessions are open."""
        if not stream and not user:
            return int(self._client.zcount(keys.sessions(site), self._now_ms() + 1, "+inf"))
        return len(self._ids(site, stream, user))

    def page(
        self, site: str, *, stream: str = "", user: str = "", offset: int = 0, size: int = 50
    ) -> tuple[int, list[Session]]:
        """How many match in all, and those of one page, the latest first."""
        ids = self._ids(site, stream, user)
        pipeline = self._client.pipeline(transaction=False)
        for id in ids[offset : offset + size]:
            pipeline.hgetall(keys.session(id))
        return len(ids), [_session(found) for found in pipeline.execute() if found.get("id")]

    def get(self, id: str) -> Session | None:
        """One session, if it is still there."""
        found = cast(dict[str, str], self._client.hgetall(keys.session(id)))
        return _session(found) if found.get("id") else None

    def _now_ms(self) -> int:
        seconds, micros = self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def _ids(self, site: str, stream: str, user: str) -> list[str]:
        sets = [keys.user_sessions(site, user)] if user else []
        sets += [keys.stream_sessions(site, stream)] if stream else []
        first, *others = sets or [keys.sessions(site)]
        now = self._now_ms()
        self._client.zremrangebyscore(first, "-inf", now)
        found = self._client.sort(first, by=keys.session("*->connected_ms"), desc=True)
        ids = cast(list[str], found)
        for each in others:
            live = set(self._client.zrangebyscore(each, now + 1, "+inf"))
            ids = [id for id in ids if id in live]
        return ids


def _refuse(found: list[Any]) -> None:
    outcome, *rest = found
    if outcome == "banned":
        raise Banned(int(rest[0]))
    if outcome == "limited":
        raise limited(rest[0], rest[1])
    if outcome == "unsure":
        raise Overloaded(UNSURE, retry_after_ms=SILENT_MS)
    if outcome == "full":
        raise TooManyConnections(f"The limit {rest[0]} of {rest[1]} is reached.")


def _sets(client: Client, streams: Collection[str]) -> Iterator[str]:
    yield keys.sessions(client.site)
    yield keys.user_sessions(client.site, client.user)
    yield keys.address_sessions(client.site, client.address)
    yield from (keys.stream_sessions(client.site, stream) for stream in streams)


def _counted(client: Client) -> Iterator[tuple[str, str]]:
    yield "site", client.site
    yield "user", f"{client.site}:{client.user}"
    yield "address", f"{client.site}:{client.address}"


def _limit_names(counted: list[tuple[str, str]]) -> Iterator[str]:
    for scope, _ in counted:
        yield from (f"{scope}.connections", f"{scope}.open_connections")


def _fields(client: Client, gateway: str, streams: Collection[str]) -> dict[str, str]:
    return {
        "id": client.session,
        "site": client.site,
        "user": client.user,
        "name": client.name,
        "role": client.role,
        "address": client.address,
        "gateway": gateway,
    } | {STREAM + stream: "1" for stream in streams}


def _session(found: dict[str, str]) -> Session:
    streams = sorted(field.removeprefix(STREAM) for field in found if field.startswith(STREAM))
    return Session(
        **{name: found[name] for name in ("id", "site", "user", "name", "role", "address")},
        gateway=found.get("gateway", ""),
        connected_ms=int(found.get("connected_ms", 0)),
        messages=int(found.get("messages", 0)),
        last_verdict=found.get("last_verdict", ""),
        streams=tuple(streams),
    )
