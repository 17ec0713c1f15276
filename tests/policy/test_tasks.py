"""The worker's edge."""

import time

from policy import tasks
from tests.builders import a_message


def test_a_worker_leaves_messages_past_their_deadline_to_the_sweeper() -> None:
    now_ms = int(time.time() * 1000)
    late, in_time = a_message(deadline_ms=now_ms - 1), a_message(deadline_ms=now_ms + 60_000)

    assert tasks._in_time([late, in_time]) == [in_time]
    assert tasks._in_time([]) == []
