"""Whether a site's user is connected anywhere."""

import redis

from inference.errors import Overloaded
from streams import keys
from streams.asking_redis import Script

_PRESENT = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZCOUNT', KEYS[1], now, '+inf')
""")


class RedisAttendance:
    """Knows of all sessions, those of other processes too."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def is_here(self, site: str, user: str) -> bool:
        """Whether the user has a session; raises Overloaded."""
        try:
            found = await _PRESENT(self._url, [keys.user_sessions(site, user)], [])
        except (redis.RedisError, OSError) as error:
            raise Overloaded("Sessions are away for a moment.") from error
        return int(found) > 0
