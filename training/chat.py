"""Trains the small chat model: general dialogues first, then our own among them.

`--stage general` learns from public dialogues at full rate; `--stage manner` goes on from there
with our own dialogues, counts a person's side little, and lets the rate fall to zero; `--stage
finish` ends it with our own dialogues mostly.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from torch import distributed

from training.chat_batches import batches
from training.chat_sources import Dialogue, load
from training.chat_tokens import encode, train_tokenizer
from training.chat_words import words_from
from training.decoder import Decoder
from training.decoder_fit import Batch, Plan, fit, loss_of, worker, workers
from training.decoder_graph import Shape
from training.dialogues.compose import Writer, system
from training.holdout import is_validation

SHAPE = Shape(layers=6, width=384, heads=6, kv_heads=2, wide=1152, vocab=8000, context=512)
TOKENS = 4096
"""Tokens of a batch, of all processes together."""

SHARES = {"self_dialogue": 0.25, "sgd_dialogues": 0.1}
"""How much of each public set is read again in one epoch of the second stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage learns from in an epoch.

    `own` dialogues of ours, and `public` times the shares of the public sets (all, where it is
    None). A person's turns weigh `person`; the rate begins to fall after the share `cool_from`.
    """

    own: int
    person: float
    length: int
    cool_from: float
    public: float | None = None


STAGES = {
    "general": Stage(own=0, person=1.0, length=256, cool_from=1.0),
    "manner": Stage(own=24_000, person=0.25, length=384, cool_from=0.35, public=1.0),
    "finish": Stage(own=24_000, person=0.1, length=256, cool_from=0.35, public=0.2),
}


def main() -> None:
    """Read, tokenise, learn, save."""
    asked = _options()
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")
    asked.out.mkdir(parents=True, exist_ok=True)
    learnt, kept = split(load(asked.dialogues))
    tokenizer = _tokenizer(asked, learnt)
    torch.manual_seed(asked.seed)
    network = Decoder(SHAPE)
    if asked.encoder:
        begin_words(network, tokenizer, asked.encoder, asked.seed)
    if asked.start:
        network.load_state_dict(torch.load(asked.start, weights_only=True))
    stage = STAGES[asked.stage]
    plan = Plan(asked.minutes, asked.threads, asked.seed, cool_from=stage.cool_from)
    source = endless(tokenizer, learnt, Writer(asked.data), stage, asked.seed + 1_000 * worker())
    fit(network, source, plan, asked.out / "state.pt")
    if worker() == 0:
        torch.save(network.state_dict(), asked.out / "network.pt")
        print("public:", measure(network, tokenizer, kept[: asked.measured], 1.0))
        new = Writer(asked.data).write(asked.measured, asked.seed + 500)
        print("ours, the assistant's side:", measure(network, tokenizer, new, 0.0))


def begin_words(network: Decoder, tokenizer: Tokenizer, encoder: Path, seed: int) -> None:
    """Give the table of words the encoder's values."""
    known = load_file(encoder / "model.safetensors")["embeddings.word_embeddings.weight"]
    pieces = (encoder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    table = words_from(known.astype("float32"), vocabulary, tokenizer, seed)
    with torch.no_grad():
        network.words.weight.copy_(torch.from_numpy(table))


def split(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[Dialogue]]:
    """Dialogues to learn from, and one in forty for validation."""
    learnt = [each for each in dialogues if not is_validation(each.text, 40)]
    return learnt, [each for each in dialogues if is_validation(each.text, 40)]


def endless(
    tokenizer: Tokenizer, public: Sequence[Dialogue], writer: Writer, stage: Stage, seed: int
) -> Iterator[Batch]:
    """Batches of one epoch after another, each with other dialogues of our own."""
    size = TOKENS // stage.length // workers()
    epoch = seed
    while True:
        dice = random.Random(epoch)
        chosen = list(public) if stage.public is None else lean(public, stage.public, dice)
        chosen = [dressed(each, dice) for each in chosen]
        chosen += writer.write(stage.own, epoch)
        dice.shuffle(chosen)
        for at in range(0, len(chosen), 2_000):
            part = chosen[at : at + 2_000]
            pieces = encode(tokenizer, part, stage.person, stage.length)
            yield from batches(pieces, stage.length, size)
        epoch += 1


def lean(public: Sequence[Dialogue], share: float, dice: random.Random) -> list[Dialogue]:
    """The part of the public dialogues that one epoch of a later stage sees."""
    return [each for each in public if dice.random() < share * SHARES[each.source]]


def dressed(dialogue: Dialogue, dice: random.Random) -> Dialogue:
    """Some with a system prompt; chats between equals also begin with the other side."""
    turns = dialogue.turns
    if dialogue.source == "self_dialogue" and dice.random() < 0.5:
        turns = turns[1:]
    prompt = system(dice) if dice.random() < 0.3 else ""
    return Dialogue(turns, dialogue.source, prompt)


def measure(
    network: Decoder, tokenizer: Tokenizer, kept: Sequence[Dialogue], person: float
) -> dict[str, float]:
    """Perplexity per token and bits per byte on dialogues that training has not seen."""
    network.eval()
    summed = weight = size = 0.0
    with torch.inference_mode():
        for batch in batches(encode(tokenizer, kept, person, SHAPE.context), SHAPE.context, 1):
            loss, count = loss_of(network, batch)
            summed, weight = summed + float(loss), weight + float(count)
            weighed = batch[0][batch[1] > 0]
            size += len(tokenizer.decode(weighed.tolist()).encode())
    perplexity = float(torch.tensor(summed / weight).exp())
    return {"perplexity": perplexity, "bits_per_byte": summed / size / math.log(2.0)}


def _tokenizer(asked: argparse.Namespace, learnt: Sequence[Dialogue]) -> Tokenizer:
    path = asked.tokenizer
    if not path.exists():
        own = Writer(asked.data).write(10_000, asked.seed)
        texts = (turn for each in (*learnt, *own) for turn in each.turns)
        train_tokenizer(texts, SHAPE.vocab).save(str(path))
    return Tokenizer.from_file(str(path))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of public sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--tokenizer", type=Path, required=True, help="made where it is missing")
    parser.add_argument("--stage", choices=STAGES, default="general")
    parser.add_argument("--start", type=Path, help="network.pt of the stage before")
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--measured", type=int, default=200, help="dialogues to measure on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
