"""Trains the small chat model: some layers of a larger one, which it follows, then on its own.

`--stage follow` begins with the guide's words and some of its layers, and learns to answer as the
guide does; `--stage manner` goes on from there with our own dialogues mostly, counts a person's
side little, and lets the rate fall to zero.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import distributed

from training.chat_batches import batches
from training.chat_sources import Dialogue, load
from training.chat_tokens import encode
from training.decoder import Decoder
from training.decoder_fit import Batch, Guide, Plan, fit, loss_of, worker, workers
from training.decoder_graph import Shape
from training.dialogues.compose import Writer, prompts
from training.holdout import is_validation

GUIDE = Shape(
    layers=30, width=576, heads=9, kv_heads=3, wide=1536, vocab=8000, context=512, base=100_000.0
)
"""The larger model, whose words have been thinned out."""

LAYERS = (0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 19, 20, 21, 22, 23, 24, 26, 27, 28, 29)
"""The guide's layers with which ours begin: dropping others, a few at a time, did least harm."""

SHAPE = replace(GUIDE, layers=len(LAYERS))
TOKENS = 2048
"""Tokens of a batch, of all processes together."""

SHARES = {"self_dialogue": 0.25, "sgd_dialogues": 0.1}
"""How much of each public set is read in one epoch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage learns from in an epoch.

    `own` dialogues of ours, and `public` times the shares of the public sets, in rows of `length`
    tokens. A person's turns weigh `person`; the rate begins to fall after the share `cool_from`.
    """

    own: int
    public: float
    person: float
    length: int
    cool_from: float


STAGES = {
    "follow": Stage(own=6_000, public=0.7, person=1.0, length=256, cool_from=1.0),
    "manner": Stage(own=24_000, public=0.6, person=0.3, length=256, cool_from=0.2),
}


def main() -> None:
    """Read, tokenise, learn, save."""
    asked = _options()
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")
    asked.out.mkdir(parents=True, exist_ok=True)
    learnt, kept = split(load(asked.dialogues))
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    torch.manual_seed(asked.seed)
    network = Decoder(SHAPE)
    guide = guided(network, asked.guide) if asked.guide else None
    if asked.start:
        network.load_state_dict(torch.load(asked.start, weights_only=True))
    stage = STAGES[asked.stage]
    plan = Plan(asked.minutes, asked.threads, asked.seed, asked.rate, cool_from=stage.cool_from)
    source = endless(tokenizer, learnt, Writer(), stage, asked.seed + 1_000 * worker())
    fit(network, source, plan, asked.out / "state.pt", guide)
    if worker() == 0:
        torch.save(network.state_dict(), asked.out / "network.pt")
        print("public:", measure(network, tokenizer, kept[: asked.measured], 1.0))
        own = Writer().write(asked.measured, asked.seed + 500)
        print("ours, of lines it has learnt:", measure(network, tokenizer, own, 0.0))


def guided(network: Decoder, path: Path) -> Guide:
    """Give ours its first values; each layer is to end where the guide's next one begins."""
    larger = Decoder(GUIDE)
    larger.load_state_dict(torch.load(path, weights_only=True))
    network.words.load_state_dict(larger.words.state_dict())
    network.final_norm.load_state_dict(larger.final_norm.state_dict())
    for ours, number in zip(network.layers, LAYERS, strict=True):
        ours.load_state_dict(larger.layers[number].state_dict())
    ends = (*(number - 1 for number in LAYERS[1:]), GUIDE.layers - 1)
    return Guide(larger.bfloat16(), ends)


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
        chosen = [dressed(each, dice) for each in lean(public, stage.public, dice)]
        chosen += writer.write(stage.own, epoch)
        dice.shuffle(chosen)
        for at in range(0, len(chosen), 2_000):
            part = chosen[at : at + 2_000]
            pieces = encode(tokenizer, part, stage.person, stage.length)
            yield from batches(pieces, stage.length, size)
        epoch += 1


def lean(public: Sequence[Dialogue], share: float, dice: random.Random) -> list[Dialogue]:
    """The part of the public dialogues that one epoch sees."""
    return [each for each in public if dice.random() < share * SHARES[each.source]]


def dressed(dialogue: Dialogue, dice: random.Random) -> Dialogue:
    """Some with a system prompt; chats between equals also begin with the other side."""
    turns = dialogue.turns
    if dialogue.source == "self_dialogue" and dice.random() < 0.5:
        turns = turns[1:]
    prompt = dice.choice(prompts()) if dice.random() < 0.3 else ""
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--tokenizer", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--stage", choices=STAGES, default="follow")
    parser.add_argument("--start", type=Path, help="network.pt of the stage before")
    parser.add_argument("--guide", type=Path, help="the larger network, of chat_start")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--measured", type=int, default=200, help="dialogues to measure on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
