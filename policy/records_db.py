"""Writes verdicts to the database, behind the live path.

The decision script leaves a record of every verdict in a Redis Stream. It stays there until a
row is committed, so a database that is locked or gone loses nothing: writing resumes with it.
A record that can never become a row is set aside, so that the others need not wait for it.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import redis
from django.db import DatabaseError, DataError, close_old_connections, connection, transaction

from inference import metrics_prometheus as metrics
from policy.keys import OUTBOX, OUTBOX_GROUP, UNREADABLE
from policy.messages import MODERATOR
from policy.models import VerdictRecord
from policy.whys import question_of
from policy.whys_redis import Questions

BATCH = 200
BLOCK_MS = 1_000
GATHER_S = 0.2
"""How long records gather before they are written: one commit for each would keep the worker, which
also judges, from its work."""
PATIENCE_MS = 1_000
"""How old a record is before a worker that judges writes it: until then others may, for whom
writing takes no time from judging."""
MAX_UNREADABLE = 1_000
ADOPT_AFTER_MS = 30_000
"""A record that another writer took and did not finish in this time is taken over."""

logger = logging.getLogger(__name__)

Entries = list[tuple[str, dict[str, str]]]
Record = dict[str, Any]
"""What `policy.verdicts.record` wrote of a verdict, with its `offset` in the stream."""
Read = tuple[dict[str, str], Record, VerdictRecord]
"""A record as it came, as it was read, and the row that it becomes."""
Rank = tuple[bool, datetime]
"""A verdict takes the place of those below it: a person's of the policy's, a later one of others.
"""


class RecordWriter:
    """Moves records from Redis to the database, in batches.

    A patient one leaves them to other writers as long as none of them is overdue.
    """

    def __init__(self, client: redis.Redis, name: str, *, patient: bool = False) -> None:
        self._client = client
        self._name = name
        self._patient = patient
        self._questions = Questions(client, name)

    def run(self, stop: threading.Event) -> None:
        """Writes until told to stop; whatever fails is tried again."""
        while not stop.is_set():
            try:
                close_old_connections()
                if not self.is_wanted() or self.write_once() < BATCH:
                    stop.wait(GATHER_S)
            except (redis.RedisError, DatabaseError, OSError) as error:
                logger.warning("Verdicts wait in Redis, they could not be stored: %s", error)
                connection.close()
                stop.wait(1)
            except Exception:  # Without its writer, a worker would let verdicts pile up in silence.
                logger.exception("Verdicts wait in Redis, their writer failed")
                stop.wait(1)

    def is_wanted(self) -> bool:
        """Whether this writer's turn has come; raises redis.RedisError."""
        if not self._patient:
            return True
        oldest = cast(Entries, self._client.xrange(OUTBOX, count=1))
        seconds, micros = self._client.time()
        due = seconds * 1_000 + micros // 1_000 - PATIENCE_MS
        return bool(oldest) and int(oldest[0][0].partition("-")[0]) <= due

    def write_once(self, block_ms: int = BLOCK_MS) -> int:
        """Stores one batch and returns its size; raises what Redis or the database raises."""
        entries = self._take(block_ms)
        if entries:
            self._ask_why(self._stored(entries))
            ids = [id for id, _ in entries]
            pipeline = self._client.pipeline()
            pipeline.xack(OUTBOX, OUTBOX_GROUP, *ids)
            pipeline.xdel(OUTBOX, *ids)
            pipeline.execute()
        return len(entries)

    def _stored(self, entries: Entries) -> list[Record]:
        """Those that the database has now; the others are set aside."""
        found = [read for _, fields in entries if (read := self._read(fields))]
        try:
            store([row for _, _, row in found])
        except DataError:
            found = [each for each in found if self._stores(each[0], each[2])]
        return [record for _, record, _ in found]

    def _stores(self, fields: dict[str, str], row: VerdictRecord) -> bool:
        try:
            store([row])
        except DataError as error:
            self._set_aside(fields, error)
            return False
        return True

    def _read(self, fields: dict[str, str]) -> Read | None:
        try:
            record = _record(fields)
            return fields, record, _row(record)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._set_aside(fields, error)
            return None

    def _set_aside(self, fields: dict[str, str], error: Exception) -> None:
        logger.error("A verdict cannot be stored and is kept in %s: %r", UNREADABLE, error)
        metrics.DROPS.labels(reason="unreadable").inc()
        self._client.xadd(UNREADABLE, fields, maxlen=MAX_UNREADABLE)  # type: ignore[arg-type]

    def _ask_why(self, records: Iterable[Record]) -> None:
        # After the rows are there, for the answers go into them.
        dropped = self._questions.ask(filter(None, map(question_of, records)))
        metrics.DROPS.labels(reason="unexplained").inc(dropped)

    def _take(self, block_ms: int) -> Entries:
        try:
            return self._adopted() or self._fresh(block_ms)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._client.xgroup_create(OUTBOX, OUTBOX_GROUP, id="0", mkstream=True)
            return self._fresh(block_ms)

    def _adopted(self) -> Entries:
        found = self._client.xautoclaim(
            OUTBOX, OUTBOX_GROUP, self._name, min_idle_time=ADOPT_AFTER_MS, count=BATCH
        )
        return cast(Entries, found[1])

    def _fresh(self, block_ms: int) -> Entries:
        found: Any = self._client.xreadgroup(
            OUTBOX_GROUP, self._name, {OUTBOX: ">"}, count=BATCH, block=block_ms
        )
        return cast(Entries, found[0][1] if found else [])


def store(rows: Iterable[VerdictRecord]) -> None:
    """Inserts or updates one row per message; the last one of a message wins.

    A row that came late, after one that takes its place, changes nothing.
    The words named in a row stay: whoever names them writes them.
    """
    latest = {row.id: row for row in rows}
    with transaction.atomic():
        stored = _stored_ranks(latest)
        VerdictRecord.objects.bulk_create(
            [row for row in latest.values() if _rank(row) >= stored.get(row.id, _rank(row))],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[
                field.name
                for field in VerdictRecord._meta.concrete_fields
                if not field.primary_key and field.name != "highlights"
            ],
        )


def _stored_ranks(ids: Iterable[str]) -> dict[str, Rank]:
    """The ranks of those rows that are there; they stay so until the transaction ends."""
    rows = VerdictRecord.objects.select_for_update().filter(id__in=list(ids)).order_by("id")
    return {row.id: _rank(row) for row in rows.only("by", "decided_at")}


def _rank(row: VerdictRecord) -> Rank:
    return row.by == MODERATOR, row.decided_at


def _record(fields: Mapping[str, str]) -> Record:
    raw = fields["record"]
    found = orjson.loads(raw)
    if "\\u0000" in raw:  # Perhaps a NUL, perhaps somebody who writes about one.
        found = _without_nul(found)
    return cast(Record, found) | {"offset": int(fields["offset"]) if fields["offset"] else None}


def _without_nul(value: Any) -> Any:
    """PostgreSQL cannot store NUL in a text."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


def _row(record: Record) -> VerdictRecord:
    message, verdict = record["message"], record["verdict"]
    return VerdictRecord(
        id=message["id"],
        site=message["site"],
        stream=message["stream"],
        author_id=message["author"]["id"],
        author_name=message["author"]["name"],
        author_kind=message["author"]["kind"],
        ref=message["ref"],
        text=message["text"],
        accepted_at=_time(message["accepted_ms"]),
        decided_at=_time(verdict["decided_ms"]),
        action=verdict["action"],
        by=verdict["by"],
        policy=verdict["policy"],
        reasons=verdict["reasons"],
        scores=verdict["scores"],
        models_used=verdict["models"],
        failures=verdict["failures"],
        offset=record["offset"],
    )


def _time(ms: Any) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
