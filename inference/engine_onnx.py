"""A model version that writes answers on ONNX Runtime: see inference.engine.Engine."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from inference.chat_onnx import ChatTokenizer
from inference.decoder_format import DecoderFormat
from inference.decoding import PREFILL_TOKENS, Request
from inference.decoding_onnx import OnnxDecoder
from inference.decoding_thread import Scheduler
from inference.errors import BadModel
from inference.generator import Cancellation, Ended, Piece, Prompt, Turn
from inference.growing_text import GrowingText
from inference.sampling_numpy import Chooser
from inference.versions import TOKENIZER, Manifest

MAX_SLOTS = 32
"""More answers at once make each slower than people read."""
MAX_WAITING = 256
"""As many as a worker has threads at most: who was taken on by one waits for a slot."""
MEBIBYTE = 1024 * 1024


class OnnxEngine:
    """Many answers at once, as many as caches fit into `memory_mb`; others wait for their turn.

    Raises BadModel.
    """

    def __init__(  # noqa: PLR0913 - most of them have defaults
        self,
        folder: Path,
        manifest: Manifest,
        *,
        memory_mb: int,
        max_slots: int = MAX_SLOTS,
        max_waiting: int = MAX_WAITING,
        threads: int = 1,
        prefill_tokens: int = PREFILL_TOKENS,
    ) -> None:
        if manifest.decoder is None:
            raise BadModel(f"{manifest.ref} has no decoder.")
        slots = slots_of(manifest.decoder, memory_mb, max_slots)
        self.version = manifest.tag
        self.context_tokens = manifest.decoder.context
        self._chat = ChatTokenizer(folder / TOKENIZER, manifest.decoder)
        opened = functools.partial(
            OnnxDecoder, folder, manifest, manifest.decoder, slots, threads=threads
        )
        decoder = opened()
        decoder.try_out()
        self.provider = decoder.provider
        self._scheduler = Scheduler(
            decoder, opened, max_waiting=max_waiting, prefill_tokens=prefill_tokens
        )

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Tokens of a prompt, marks included."""
        return self._chat.count(turns)

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        """As inference.generator.Generator; what the prompt is too large for is said at once."""
        tokens = self._chat.encode(prompt.turns)
        request = Request(
            tokens=tokens,
            choose=Chooser(prompt.sampling),
            text=GrowingText(self._chat.table, prompt.sampling.stop),
            stop_tokens=self._chat.stop_tokens,
            max_tokens=min(prompt.sampling.max_tokens, self.context_tokens - len(tokens)),
            cancellation=cancellation,
        )
        return self._scheduler.write(request)


def slots_of(form: DecoderFormat, memory_mb: int, max_slots: int = MAX_SLOTS) -> int:
    """How many caches fit into so many MiB; raises BadModel if not one does."""
    slots = min(max_slots, memory_mb * MEBIBYTE // form.cache_bytes)
    if slots < 1:
        raise BadModel(
            f"The cache of one answer takes {form.cache_bytes / MEBIBYTE:.0f} MiB; "
            f"RTAI_GENERATION_MEMORY_MB allows {memory_mb}."
        )
    return slots
