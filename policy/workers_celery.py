"""What a worker does beside judging: it writes verdicts to the database."""

import os
import threading
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.conf import settings

from inference import connection_redis
from policy.records_db import RecordWriter

_stop = threading.Event()


@worker_ready.connect
def start_writing(**_: Any) -> None:
    """Starts the writer's thread; the main thread keeps judging."""
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    name = f"{os.uname().nodename}-{os.environ.get('RTAI_PROCESS', os.getpid())}"
    writer = RecordWriter(client, name)
    threading.Thread(target=writer.run, args=(_stop,), name="records", daemon=True).start()


@worker_shutdown.connect
def stop_writing(**_: Any) -> None:
    """Lets the writer finish its batch."""
    _stop.set()
