"""Brings the embedded Valkey's log of writes to the disk once a second.

Valkey could do that itself (`appendfsync everysec`), but then answers before it wrote to the log
while the disk is busy: killed at that moment, it forgets what clients were told is stored. Told
not to, it writes before each answer, and the system keeps that whatever becomes of the process.
"""

import logging
import os
import threading
from pathlib import Path

EVERY_S = 1.0

logger = logging.getLogger(__name__)


class LogSync(threading.Thread):
    """Until `stopping` is set. A disk that fails is told once, and tried again."""

    def __init__(self, folder: Path, stopping: threading.Event) -> None:
        super().__init__(name="log-sync", daemon=True)
        self._folder = folder
        self._stopping = stopping
        self._failed = False

    def run(self) -> None:
        """See the class."""
        while not self._stopping.wait(EVERY_S):
            try:
                sync(self._folder)
            except OSError as error:
                if not self._failed:
                    logger.error("Valkey's log cannot be brought to the disk: %s", error)
                self._failed = True
            else:
                self._failed = False


def sync(folder: Path) -> int:
    """Flushes the log's files, and tells how many there are; raises OSError.

    A file that Valkey just replaced is no fault.
    """
    count = 0
    for path in folder.glob("*.aof"):
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            os.fsync(file)
        finally:
            os.close(file)
        count += 1
    return count
