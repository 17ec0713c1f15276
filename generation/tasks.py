"""The worker's edge: a task names a generation that waits."""

from celery import shared_task
from django.db import connections

from generation import workers_celery


@shared_task(name="generation.run", acks_late=False)
def run(id: str) -> None:
    """Writes a generation, if it still waits.

    Only a nudge: the lease in Redis says who writes it, and whoever loses its task finds it.
    """
    try:
        workers_celery.runner().run(id)
    finally:
        connections.close_all()  # Each of the pool's many threads has its own.
