"""Why a message was not simply allowed: what is to be explained, and how the answer is shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.attribution import Target
from policy.policy import Decision


@dataclass(frozen=True, slots=True)
class Question:
    """A message whose words are to be named, and the scores that they drove."""

    id: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; `labels` has the weight of each label that it drove, the largest first."""

    text: str
    labels: tuple[tuple[str, float], ...] = ()


def targets(decision: Decision) -> tuple[Target, ...]:
    """The scores that made rules fire, each with the lowest threshold that it reached."""
    found: dict[tuple[str, str], float] = {}
    for reason in decision.reasons:
        if reason.threshold is not None:
            score = (reason.plugin, reason.label)
            found[score] = min(reason.threshold, found.get(score, reason.threshold))
    return tuple(Target(*score, threshold) for score, threshold in found.items())


def question_of(record: Mapping[str, Any]) -> Question | None:
    """What a stored record asks for, or None where no score decided."""
    found = tuple(Target(*each) for each in record.get("targets", ()))
    return Question(record["message"]["id"], found) if found else None


def pieces(text: str, highlights: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """The whole text in pieces, those that were named with their labels.

    Highlights that do not lie in the text or begin inside another one are left out.
    """
    named: dict[tuple[int, int], list[tuple[str, float]]] = {}
    for each in highlights:
        named.setdefault((each["start"], each["end"]), []).append((each["label"], each["weight"]))
    found: list[Piece] = []
    done = 0
    for start, end in sorted(named):
        if done <= start < end <= len(text):
            found.append(Piece(text[done:start]))
            labels = sorted(named[start, end], key=lambda label: -label[1])
            found.append(Piece(text[start:end], tuple(labels)))
            done = end
    return [piece for piece in [*found, Piece(text[done:])] if piece.text]


def labels_of(named: Sequence[tuple[str, float]]) -> str:
    """What a piece drove, in words: `insult 0.62, toxicity 0.31`."""
    return ", ".join(f"{label} {weight:.2f}" for label, weight in named)
