"""The local engine: tokens a second with 1, 8 and 32 answers at once against one at a time.

Nothing but the engine is measured: prompts in, pieces out, each reader in a thread of its own.
All answers have the same length, so that none leaves early. Rounds of all sizes take turns, and
each figure is the median of its rounds; the processor time counts what other programs take away.

    python -m benchmarks.generation [--threads 1] [--tokens 100] [--rounds 5] [--json FILE]
"""

import functools
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks import report
from generation.leases import LOOK_S
from inference import versions
from inference.chat_onnx import ChatTokenizer
from inference.decoder_format import DecoderFormat
from inference.decoding import Request
from inference.decoding_onnx import OnnxDecoder
from inference.decoding_thread import Scheduler
from inference.generator import Cancellation, Ended, Piece, Role, Sampling, Turn
from inference.growing_text import GrowingText
from inference.sampling_numpy import Chooser
from inference.versions import TOKENIZER, Manifest
from tests.inference import small_decoders
from training.decoder_graph import Shape

SIZES = (1, 8, 32)
GAIN = 2.5
CANCEL_MS = 250
RANDOM = Shape(layers=8, width=384, heads=6, kv_heads=2, wide=1536, vocab=936, context=512)
MODELS = Path(__file__).resolve().parent.parent / "plugins" / "models"
QUESTIONS = (
    "Hello, how are you today?",
    "Where can I see my order?",
    "What do you like to do on a rainy day?",
    "I forgot my password. What now?",
)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of answers took; times in seconds."""

    rate: float
    """Tokens a second."""
    work: float
    """Processor time of the whole process for a token."""
    firsts: tuple[float, ...]
    gaps: tuple[float, ...]


class Writers:
    """The engine with as many slots as the largest round."""

    def __init__(self, folder: Path, threads: int, tokens: int) -> None:
        self.manifest = versions.load(folder)
        form = versions.check_decoder(self.manifest, "llm")
        self.tokens = min(tokens, form.context // 2)
        self._chat = ChatTokenizer(folder / TOKENIZER, form)
        opened = functools.partial(_opened, folder, self.manifest, form, threads)
        self._scheduler = Scheduler(opened(), opened, max_waiting=0)

    def answer(self, number: int) -> tuple[float, list[float]]:
        """Time to the first token, and between each two."""
        times = [time.perf_counter()]
        pieces = self._pieces(number, Cancellation())
        times += [time.perf_counter() for piece in pieces if isinstance(piece, Piece)]
        gaps = [after - before for before, after in pairwise(times[1:])]
        return times[1] - times[0], gaps

    def leaving(self, size: int) -> list[float]:
        """From each cancellation until that answer has left, while the others go on."""
        cancellations = [Cancellation() for _ in range(size)]
        begun = threading.Barrier(size + 1)

        def write(number: int) -> float:
            pieces = self._pieces(number, cancellations[number])
            next(pieces)
            begun.wait()
            for _ in pieces:
                pass
            return time.perf_counter()

        with ThreadPoolExecutor(size) as pool:
            writing = [pool.submit(write, number) for number in range(size)]
            begun.wait()
            found = []
            for cancellation, one in zip(cancellations, writing, strict=True):
                asked = time.perf_counter()
                cancellation.cancel()
                found.append(one.result() - asked)
        return found

    def _pieces(self, number: int, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        question = QUESTIONS[number % len(QUESTIONS)]
        tokens = self._chat.encode((Turn(Role.USER, question),))
        sampling = Sampling(self.tokens, temperature=0.8, top_p=0.95, seed=number)
        text = GrowingText(self._chat.table, ())
        request = Request(tokens, Chooser(sampling), text, (), self.tokens, cancellation)
        return self._scheduler.write(request)

    def round(self, size: int, answers: int) -> Round:
        """So many answers, `size` of them at once."""
        work, start = time.process_time(), time.perf_counter()
        with ThreadPoolExecutor(size) as pool:
            found = list(pool.map(self.answer, range(answers)))
        seconds = time.perf_counter() - start
        count = answers * self.tokens
        return Round(
            count / seconds,
            (time.process_time() - work) / count,
            tuple(first for first, _ in found),
            tuple(gap for _, gaps in found for gap in gaps),
        )


def _opened(folder: Path, manifest: Manifest, form: DecoderFormat, threads: int) -> OnnxDecoder:
    return OnnxDecoder(folder, manifest, form, max(SIZES), threads)


@contextmanager
def model() -> Iterator[Path]:
    """The newest decoder that ships, or a random one of 13 million parameters."""
    found = [path.parent for path in MODELS.glob("*/manifest.json")]
    shipped = sorted(folder for folder in found if versions.read(folder).decoder)
    with tempfile.TemporaryDirectory() as folder:
        yield shipped[-1] if shipped else small_decoders.version(Path(folder), RANDOM)


def measured(writers: Writers, rounds: int) -> dict[int, list[Round]]:
    """All sizes by turns, after one of each that does not count."""
    found: dict[int, list[Round]] = {size: [] for size in SIZES}
    for number in range(rounds + 1):
        for size in SIZES:
            taken = writers.round(size, max(size, 4))
            if number:
                found[size].append(taken)
    return found


def rows_of(writers: Writers, threads: int, found: dict[int, list[Round]]) -> list[report.Row]:
    """The table."""
    where = f"{writers.manifest.ref}, {threads} thread{'s' if threads > 1 else ''}"
    rows = [report.Row("engine: model", where)]
    for size, rounds in found.items():
        rate, work = median(each.rate for each in rounds), median(each.work for each in rounds)
        firsts = [first for each in rounds for first in each.firsts]
        gaps = [gap for each in rounds for gap in each.gaps]
        rows += [
            report.Row(f"engine, {size} at once: tokens/s", f"{rate:.0f}"),
            report.Row(
                f"engine, {size} at once: processor time of a token", f"{1e3 * work:.2f} ms"
            ),
            report.Row(f"engine, {size} at once: first token, p50, p95", _quantiles(firsts)),
            report.Row(f"engine, {size} at once: between tokens, p50, p95", _quantiles(gaps)),
        ]
    for size in SIZES[1:]:
        pairs = list(zip(found[1], found[size], strict=True))
        gain = median(together.rate / alone.rate for alone, together in pairs)
        spared = median(alone.work / together.work for alone, together in pairs)
        goal, met = (f"≥ {GAIN}", gain >= GAIN) if size == 8 else ("", None)
        rows.append(
            report.Row(f"engine, {size} at once against one: rate", f"{gain:.2f}", goal, met)
        )
        rows.append(report.Row(f"engine, {size} at once against one: work", f"{spared:.2f}"))
    return rows


def left(writers: Writers, rounds: int) -> Iterator[report.Row]:
    """How soon a cancelled answer leaves, with the time until its worker hears of it."""
    for size in SIZES:
        took = [each for _ in range(max(1, rounds)) for each in writers.leaving(size)]
        worst = report.quantile(took, 0.95) + 1000 * LOOK_S
        what = f"engine, {size} at once: cancel → the answer has left, p95, hearing of it included"
        yield report.Row(what, f"{worst:.0f} ms", f"≤ {CANCEL_MS} ms", worst <= CANCEL_MS)


def _quantiles(values: list[float]) -> str:
    return f"{report.quantile(values, 0.5):.1f} ms, {report.quantile(values, 0.95):.1f} ms"


def main() -> None:
    """Prints the table."""
    asked = report.arguments(__doc__, (), threads=1, tokens=100, rounds=5)
    with model() as folder:
        writers = Writers(folder, asked.threads, asked.tokens)
        rows = rows_of(writers, asked.threads, measured(writers, asked.rounds))
        report.finish([*rows, *left(writers, asked.rounds)], asked)


if __name__ == "__main__":
    main()
