"""What both servers share: arguments, the application, and its start and drain."""

import argparse
import asyncio
import gc
import logging
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from rtai_project.programs import DRAIN_S
from streams.turnstile import Turnstile

__all__ = ["DRAIN_S", "MAX_FRAME_BYTES", "Hook", "Served", "arguments", "logged", "product"]

MAX_FRAME_BYTES = 1024 * 1024
Hook = Callable[[], Coroutine[Any, Any, Any]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What a server serves."""

    application: Any
    opened: Hook
    """Runs when the server starts."""
    drained: Hook
    """Lets the clients go before it ends."""
    turnstile: Turnstile
    """Says of each connection whether it is one too many."""


def arguments(name: str) -> tuple[str, int]:
    """`--host` and `--port` of the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m rtai_project.{name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    found = parser.parse_args()
    return found.host, found.port


def product() -> Served:
    """The application with its gateway."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rtai_project.settings")
    # Imported late: the server chooses its event loop first, and Django is set up by `asgi`.
    from rtai_project.asgi import application
    from streams import apps, lifespan

    async def opened() -> None:
        await lifespan.gateway()
        spare_the_collector()

    return Served(application, opened, lifespan.drain, apps.turnstile())


def spare_the_collector() -> None:
    """Takes what lives as long as the process out of garbage collections, and makes them rarer.

    Otherwise every wave of new connections makes it search all of Django again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 5)


async def logged(
    hook: Coroutine[Any, Any, Any], name: str, *, timeout_s: float | None = None
) -> None:
    """Runs a hook; a failure is logged, and the server goes on with what it was about to do."""
    try:
        await asyncio.wait_for(hook, timeout_s)
    except TimeoutError:
        logger.warning("The %s took longer than %s s and was cut short.", name, timeout_s)
    except Exception:
        logger.exception("The %s failed.", name)
