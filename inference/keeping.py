"""Keeps something fresh in the background, so that no message waits for it."""

import logging
import threading
from collections.abc import Callable

INTERVAL_S = 0.5

logger = logging.getLogger(__name__)


class Keeper:
    """Calls `refresh` again and again in a thread of its own, until it is stopped.

    What `refresh` raises is logged when it begins to fail, and it is called again.
    """

    def __init__(
        self, name: str, refresh: Callable[[], object], *, interval_s: float = INTERVAL_S
    ) -> None:
        self._refresh = refresh
        self._interval_s = interval_s
        self._failing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def running(self) -> bool:
        """Whether somebody keeps it fresh."""
        return self._thread.is_alive() and not self._stopped.is_set()

    def start(self) -> None:
        """Begins; may be called once."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Ends after the call under way, or leaves it behind after `timeout_s`."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self._refresh()
            except Exception:  # Whatever it is, the next call may succeed.
                if not self._failing:
                    logger.exception("%s fails, and goes on trying", self._thread.name)
                self._failing = True
            else:
                self._failing = False
