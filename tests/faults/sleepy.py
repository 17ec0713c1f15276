"""A plugin that never comes back from one certain text."""

import threading
from collections.abc import Sequence

from inference.plugin import Plugin
from inference.types import Labels

LULLABY = "Sleep, little worker, sleep."


class Sleepy(Plugin):
    name = "sleepy"
    labels = ("asleep",)
    needs_model = False

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        if LULLABY in texts:
            threading.Event().wait()
        return [{"asleep": 0.0} for _ in texts]
