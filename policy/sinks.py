"""Who else hears of verdicts, once the publisher has decided them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from policy.messages import Verdict

logger = logging.getLogger(__name__)

Sink: TypeAlias = Callable[[Sequence[Verdict]], None]
"""Takes verdicts that are decided and published; may be called once more after a worker's death."""


def hand_over(
    verdicts: Sequence[Verdict], sinks: Mapping[str, Sink], failed: Callable[[str], None]
) -> None:
    """Gives the verdicts to every sink; one that fails is logged and told, and stops no other."""
    if not verdicts:
        return
    for name, sink in sinks.items():
        try:
            sink(verdicts)
        except Exception:  # Whatever a sink may raise: the verdicts are published already.
            logger.exception("The sink %s did not take %d verdicts", name, len(verdicts))
            failed(name)
