"""Every metric of the product, right across several processes and their restarts.

With PROMETHEUS_MULTIPROC_DIR and RTAI_PROCESS set, each process keeps its values in files named
after RTAI_PROCESS (`web`, `worker-1`): one that comes back goes on counting where it died, and
the folder stays as small as the list of processes. Two processes may not share a name at a time.
Without them values live in memory, and `exposition` tells of this process alone.
"""

import os
import re
from pathlib import Path

import prometheus_client.values
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MultiProcessValue, MutexValue

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
PROCESS = "RTAI_PROCESS"
REGISTRY = CollectorRegistry()
_ENDED = b"rtai_connections_total"


def reset_directory(directory: Path) -> None:
    """Makes the folder, empty: for whoever starts all processes, before the first of them."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)


def exposition() -> bytes:
    """All metrics in Prometheus' text format: of all processes, or of this one."""
    registry = REGISTRY
    if _several():
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=os.environ[DIRECTORY])  # type: ignore[no-untyped-call]
    # The library takes `x` and `x_total` for one family, and mixes up their files.
    return generate_latest(registry).replace(b"rtai_connections_ended_total", _ENDED)


def _several() -> bool:
    return bool(os.environ.get(DIRECTORY) and os.environ.get(PROCESS))


def _process() -> str:
    # The collector splits file names at underscores.
    return re.sub(r"[^A-Za-z0-9.@-]", "-", os.environ[PROCESS])


def _prepare() -> None:
    """Chooses where values live; must run before the first metric is made."""
    if not _several():
        prometheus_client.values.ValueClass = MutexValue
        return
    directory = Path(os.environ[DIRECTORY])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.glob(f"gauge_*_{_process()}.db"):
        # What a dead process had open is gone with it; what it counted is not.
        path.unlink(missing_ok=True)
    prometheus_client.values.ValueClass = MultiProcessValue(_process)  # type: ignore[no-untyped-call]


def _counter(name: str, help: str, *labels: str) -> Counter:
    return Counter(name, help, labels, registry=REGISTRY)


def _histogram(name: str, help: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, help, labels, buckets=buckets, registry=REGISTRY)


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1.0, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (16.0, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)

_prepare()

CONNECTIONS = Gauge(
    "rtai_connections", "Open connections.", registry=REGISTRY, multiprocess_mode="livesum"
)
CONNECTIONS_TOTAL = _counter(
    "rtai_connections_ended_total", "Connections that ended, by close code.", "code"
)
ACCEPTS_REFUSED = _counter(
    "rtai_accepts_refused_total", "Connections turned away with 503, by the limit.", "limit"
)
SUBSCRIBER_REPLACED = _counter(
    "rtai_subscriber_replaced_total",
    "Times that a process made its connection to live delivery new, because it was silent or lost.",
)
FRAMES_RECEIVED = _counter("rtai_frames_received_total", "Frames from clients.", "type")
FRAMES_SENT = _counter("rtai_frames_sent_total", "Frames to clients.", "type")
ERRORS = _counter("rtai_errors_total", "Error frames to clients.", "code")
MESSAGES = _counter("rtai_messages_total", "Decided messages.", "action")
ACCEPT_TO_VERDICT = _histogram(
    "rtai_accept_to_verdict_seconds", "From accepted to decided.", _SECONDS
)
QUEUE_WAIT = _histogram(
    "rtai_queue_wait_seconds", "From accepted to the start of its batch.", _SECONDS
)
BATCH_SIZE = _histogram("rtai_batch_size", "Messages in a batch.", _SIZES)
BATCH_TOKENS = _histogram("rtai_batch_tokens", "Padded tokens of a runtime's batch.", _TOKENS)
MODEL_SECONDS = _histogram("rtai_model_seconds", "A plugin's time for a batch.", _SECONDS, "plugin")
PLUGIN_FAILURES = _counter(
    "rtai_plugin_failures_total", "Batches for which a plugin gave no scores.", "plugin"
)
EXPLAIN_SECONDS = _histogram(
    "rtai_explain_seconds", "Naming the words behind a flag, waiting included.", _SECONDS
)
SINK_FAILURES = _counter(
    "rtai_sink_failures_total", "Batches of verdicts that a sink did not take.", "sink"
)
DROPS = _counter("rtai_drops_total", "Frames or messages dropped.", "reason")
WORKERS = Gauge(
    "rtai_workers", "Live workers.", registry=REGISTRY, multiprocess_mode="livemostrecent"
)
PENDING_MESSAGES = Gauge(
    "rtai_pending_messages",
    "Accepted messages without a verdict.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
PREDICTED_WAIT = Gauge(
    "rtai_predicted_wait_seconds",
    "How long a message that comes now will probably wait; -1 where nobody can tell.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
OLDEST_PENDING = Gauge(
    "rtai_oldest_pending_seconds",
    "Age of the oldest accepted message without a verdict.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
MODEL_INFO = Gauge(
    "rtai_model_info",
    "1 for a version that a process has loaded.",
    ("plugin", "version", "provider"),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
PUBLISH_SECONDS = _histogram("rtai_publish_seconds", "A verdict's way to its stream.", _SECONDS)
REFUSED = _counter("rtai_refused_total", "Messages not accepted, by what was wanting.", "reason")
REDISPATCHED = _counter("rtai_redispatched_total", "Messages sent to a worker once more.")
GENERATIONS = _counter("rtai_generations_total", "Generations that ended.", "reason")
GENERATIONS_RUNNING = Gauge(
    "rtai_generations_running",
    "Generations that workers have under way.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
GENERATION_QUEUE_WAIT = _histogram(
    "rtai_generation_queue_wait_seconds", "From accepted until a worker took it.", _SECONDS
)
FIRST_TOKEN = _histogram(
    "rtai_generation_first_token_seconds", "From accepted to the first text.", _SECONDS
)
MODEL_FIRST_TOKEN = _histogram(
    "rtai_generation_model_first_token_seconds",
    "From asking the model to its first text.",
    _SECONDS,
    "model",
)
TOKEN_GAP = _histogram(
    "rtai_generation_token_gap_seconds", "Between two pieces of a model's text.", _SECONDS, "model"
)
GENERATION_TOKENS = _counter(
    "rtai_generation_tokens_total", "Tokens of prompts and of answers.", "kind"
)
