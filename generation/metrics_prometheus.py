"""What is measured of answers; the metrics themselves are in `inference.metrics_prometheus`."""

from generation.generations import FinishReason, Usage
from inference import metrics_prometheus as metrics


class Metrics:
    """Implements `generation.answer.Watcher`."""

    def began(self, waited_s: float) -> None:
        """See `generation.answer.Watcher`."""
        metrics.GENERATION_QUEUE_WAIT.observe(waited_s)
        metrics.GENERATIONS_RUNNING.inc()

    def shown(self, waited_s: float) -> None:
        """See `generation.answer.Watcher`."""
        metrics.FIRST_TOKEN.observe(waited_s)

    def first(self, model: str, seconds: float) -> None:
        """See `generation.pieces.Watcher`."""
        metrics.MODEL_FIRST_TOKEN.labels(model=model).observe(seconds)

    def next(self, model: str, seconds: float) -> None:
        """See `generation.pieces.Watcher`."""
        metrics.TOKEN_GAP.labels(model=model).observe(seconds)

    def ended(self, reason: FinishReason, usage: Usage) -> None:
        """See `generation.answer.Watcher`."""
        metrics.GENERATIONS.labels(reason=reason.value).inc()
        metrics.GENERATION_TOKENS.labels(kind="prompt").inc(usage.prompt_tokens)
        metrics.GENERATION_TOKENS.labels(kind="completion").inc(usage.completion_tokens)

    def over(self) -> None:
        """See `generation.answer.Watcher`."""
        metrics.GENERATIONS_RUNNING.dec()
