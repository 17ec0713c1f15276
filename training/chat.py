"""Teaches the small chat model our manner.

It begins as SmolLM2-135M-Instruct with fewer words (`chat_start.py`) and learns from our dialogues
mostly; a person's side counts little. On a processor its words and lowest layers stay as they are,
which saves the work of learning there.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import torch
from tokenizers import Tokenizer

from training.ahead import ahead
from training.chat_batches import Arrays, batches
from training.chat_sources import Dialogue, load
from training.chat_tokens import encode
from training.decoder import Decoder
from training.decoder_fit import Batch, Plan, fit, loss_of
from training.decoder_graph import Shape
from training.devices import add_options, place
from training.dialogues.compose import Writer, prompts
from training.holdout import is_validation

SHAPE = Shape(
    layers=30, width=576, heads=9, kv_heads=3, wide=1536, vocab=16_000, context=512, base=100_000.0
)
SHARES = {"self_dialogue": 0.012, "sgd_dialogues": 0.006}
"""How much of each public set is in one part of what is read."""
OWN = 2_000
"""Dialogues of ours in one part."""
LENGTH = 256
"""Tokens of a row."""
ROWS = 4
"""Rows of a batch on a processor."""
PERSON = 0.1
"""How much a person's turns weigh; the other side's weigh 1."""


def main() -> None:
    """Read, tokenise, learn, save."""
    asked = _options()
    asked.out.mkdir(parents=True, exist_ok=True)
    learnt, kept = split(load(asked.dialogues))
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    read = endless(tokenizer, learnt, asked.seed, asked.rows, asked.workers)
    network = Decoder(SHAPE)
    network.load_state_dict(torch.load(asked.start, weights_only=True))
    network.to(place())
    freeze(network, asked.frozen)
    fit(network, read, plan_of(asked, cool_from=0.2), asked.out / "state.pt")
    torch.save(network.cpu().state_dict(), asked.out / "network.pt")
    network.to(place())
    told("public", network, tokenizer, kept[: asked.measured], 1.0)
    tell(network, tokenizer, asked)


def plan_of(asked: argparse.Namespace, **others: float) -> Plan:
    """How to learn, as the command line says it."""
    kind = torch.bfloat16 if asked.bfloat16 else torch.float32
    return Plan(
        asked.minutes, asked.batches, asked.threads, asked.seed, asked.rate, kind=kind, **others
    )


def freeze(network: Decoder, layers: int) -> None:
    """Leave the words and so many of the lowest layers as they are; with 0, learn everything."""
    if layers:
        for part in (network.words, *network.layers[:layers]):
            part.requires_grad_(False)


def split(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[Dialogue]]:
    """Dialogues to learn from, and one in forty for validation."""
    learnt = [each for each in dialogues if not is_validation(each.text, 40)]
    return learnt, [each for each in dialogues if is_validation(each.text, 40)]


def endless(
    tokenizer: Tokenizer, public: Sequence[Dialogue], seed: int, size: int = ROWS, workers: int = 0
) -> Iterator[Batch]:
    """Batches of `size` rows of one part after another, each with other dialogues."""
    writer = Writer()

    def part(number: int) -> list[Arrays]:
        dice = random.Random(number)
        chosen = [dressed(each, dice) for each in lean(public, dice)]
        chosen += writer.write(OWN, number)
        dice.shuffle(chosen)
        return list(batches(encode(tokenizer, chosen, PERSON, LENGTH), LENGTH, size))

    for made in ahead(part, count(seed * 100_000), workers):
        yield from map(as_tensors, made)


def as_tensors(batch: Arrays) -> Batch:
    """The same numbers for a network."""
    tokens, weights, dialogues = map(torch.from_numpy, batch)
    return tokens, weights, dialogues


def lean(public: Sequence[Dialogue], dice: random.Random) -> list[Dialogue]:
    """The public dialogues of one part."""
    return [each for each in public if dice.random() < SHARES[each.source]]


def dressed(dialogue: Dialogue, dice: random.Random) -> Dialogue:
    """Some with a system prompt; chats between equals also begin with the other side."""
    turns = dialogue.turns
    if dialogue.source == "self_dialogue" and dice.random() < 0.5:
        turns = turns[1:]
    prompt = dice.choice(prompts()) if dice.random() < 0.3 else ""
    return Dialogue(turns, dialogue.source, prompt)


def tell(network: Decoder, tokenizer: Tokenizer, asked: argparse.Namespace) -> None:
    """How well it does on our dialogues: of topics that it has learnt, and of others."""
    for kept in (False, True):
        own = Writer(kept).write(asked.measured, asked.seed + 500)
        told(f"ours, of {'other' if kept else 'learnt'} topics", network, tokenizer, own, 0.0)


def told(
    name: str, network: Decoder, tokenizer: Tokenizer, kept: Sequence[Dialogue], person: float
) -> None:
    """Print loss and perplexity of a token, and bits per byte."""
    network.eval()
    summed = weight = size = 0.0
    with torch.inference_mode():
        for batch in batches(encode(tokenizer, kept, person, SHAPE.context), SHAPE.context, 1):
            loss, heavy = loss_of(network, as_tensors(batch), torch.float32)
            summed, weight = summed + float(loss), weight + float(heavy)
            size += len(tokenizer.decode(batch[0][batch[1] > 0].tolist()).encode())
    each, byte = summed / weight, summed / size / math.log(2.0)
    print(f"{name}: loss {each:.4f}, perplexity {math.exp(each):.2f}, {byte:.3f} bits per byte")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--tokenizer", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--start", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--seed", type=int, default=17)
    add_learning(parser)
    return parser.parse_args()


def add_learning(parser: argparse.ArgumentParser) -> None:
    """What the command line may say of how to learn."""
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--minutes", type=float, default=80.0, help="time allowed; 0: no limit")
    parser.add_argument("--batches", type=int, default=0, help="so many at most; 0: no limit")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of {LENGTH} tokens in a batch")
    parser.add_argument("--frozen", type=int, default=10, help="layers that stay; 0: none")
    parser.add_argument("--measured", type=int, default=200, help="dialogues to measure on")
    add_options(parser)


if __name__ == "__main__":
    main()
