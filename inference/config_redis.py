"""What processes cache of the database, and how they learn that it changed.

Whoever saves configuration calls `bump(url, area)`; whoever caches it polls `Cached.refresh`.
"""

import logging
import math
import time
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import redis

from inference import connection_redis

VERSIONS = "rtai:config"
"""Hash of a counter for each area; it rises with every change."""
AREAS = ("sites", "limits", "policies", "models", "assistants")

T = TypeVar("T")
logger = logging.getLogger(__name__)


def bump(url: str, area: str) -> None:
    """Tells every process that `area` changed; raises redis.RedisError."""
    connection_redis.client(url).hincrby(VERSIONS, area, 1)


class Cached(Generic[T]):
    """A value loaded from the database, reloaded when one of its areas changed.

    While Redis or the database is away the last value stays, and the next refresh tries again.
    `max_stale_s` reloads it now and then in any case: whoever saved may not have reached Redis.
    """

    def __init__(  # noqa: PLR0913 - half of them have defaults
        self,
        url: str,
        areas: str | tuple[str, ...],
        load: Callable[[], T],
        *,
        max_age_s: float = 0.5,
        max_stale_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._areas = (areas,) if isinstance(areas, str) else areas
        self._load = load
        self._max_age_s = max_age_s
        self._clock = clock
        self._max_stale_s = max_stale_s
        self._checked = self._loaded = -math.inf
        self._versions: list[str | None] | None = None
        self._value: T | None = None
        self._failing = False

    @property
    def value(self) -> T:
        """The last loaded value; loads it the first time, and then raises what loading raises."""
        if self._value is None:
            self._value = self._load()
        return self._value

    def refresh(self) -> T:
        """The value, reloaded if its version changed since it was last looked up."""
        now = self._clock()
        if now - self._checked >= self._max_age_s:
            self._checked = now
            self._reload_if_changed()
        return self.value

    def _reload_if_changed(self) -> None:
        try:
            found = connection_redis.client(self._url).hmget(VERSIONS, list(self._areas))
            versions = cast(list[str | None], found)
            stale = self._checked - self._loaded >= self._max_stale_s
            if versions != self._versions or stale:
                self._value = self._load()
                self._versions, self._loaded = versions, self._checked
        except (redis.RedisError, OSError) as error:
            self._tell(error)
        except Exception as error:
            if self._value is None:
                raise
            self._tell(error)
        else:
            self._failing = False

    def _tell(self, error: Exception) -> None:
        """Logs the first of several failures in a row."""
        if not self._failing:
            logger.warning("Keeping the last %s: %s", "/".join(self._areas), error)
        self._failing = True
