"""The worker's edge: a task names a generation that waits."""

from celery import shared_task
from django.db import connections

from generation import workers_celery

EXPIRES_S = 60
"""By then it was taken, dispatched again, or given up."""


@shared_task(name="generation.run", queue=workers_celery.QUEUE, acks_late=False, expires=EXPIRES_S)
def run(id: str) -> None:
    """Writes a generation, if it still waits.

    Only a nudge: the lease in Redis says who writes it, and whoever loses its task finds it.
    """
    try:
        workers_celery.runner().run(id)
    finally:
        connections.close_all()  # Each of the pool's many threads has its own.


def dispatch(id: str) -> None:
    """Tells a worker of a generation; blocks, and raises what a broker that is away raises."""
    run.apply_async((id,), retry=False)
