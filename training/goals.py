"""What the models are meant to reach on texts that nobody here has seen, and what they reach here.

The goals are for held-out texts; the figures beside them are of validation texts and of texts
labelled by hand, whose style or sources training knows. So a goal that is reached here may still
be missed there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import calm, groups, labelled, moods, tricks
from training.benign import benign_rows
from training.calibrate import average_precision, best_macro_f1, class_recalls, macro_f1, roc_area
from training.holdout import drop_held_out, is_calibration, is_validation
from training.labelled import Kind
from training.rows import Row
from training.scores import Judged, judge, score
from training.sources import moderation_rows
from training.validation import is_made, reported, sentiment_validation

JIGSAW = ("jigsaw_detox", "jigsaw_5k")
CIVIL = ("civil_toxic_spans", "civil_weak_neg")
PLAIN = ("self_dialogue", "goemotions_pos", "clinc")
LOOK_ALIKES = ("coconot_contrast", "fuzzyai_benign")
REQUESTS = (
    "aart", "advbench", "adversarial_nibbler", "ailuminate", "catqa", "dangerousqa", "fuzzyai_adv",
    "gptfuzz_questions", "harmfulqa", "multijail", "purplellama_interp", "sap200", "tdc2023",
)  # fmt: skip
NATURAL = 0.08
"""The share of toxic comments in a mix as it comes."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure must be, and what it is meant to be; `at_most` where less is better."""

    name: str
    must: float
    aim: float
    unit: str = ""
    at_most: bool = False

    def reached(self, value: float) -> str:
        """`aim`, `must`, or a dash."""
        sign = -1.0 if self.at_most else 1.0
        passed = [name for name in ("aim", "must") if sign * value >= sign * getattr(self, name)]
        return passed[0] if passed else "–"

    def shown(self, value: float) -> str:
        """The value as people read it."""
        return f"{value:.3f}" if not self.unit else f"{value:.1f} {self.unit}"


@dataclass(frozen=True, slots=True)
class Found:
    """A figure of ours for a goal, and on what it was found."""

    goal: str
    value: float
    texts: str


HARM = Goal("any category, AUPRC of `harm`", 0.75, 0.86)
SEXUAL = Goal("`sexual`, AUPRC", 0.85, 0.95)
SELF_HARM = Goal("`self_harm`, AUPRC", 0.65, 0.85)
VIOLENCE = Goal("`violence`, AUPRC", 0.50, 0.75)
HATE = Goal("hateful sentences and harmless twins, `identity_attack` right", 77.0, 85.0, "%")
TWINS = Goal("the harmless twins among them, `identity_attack` right", 60.0, 75.0, "%")
NATURALLY_TOXIC = Goal("comments at a natural rate, ROC-AUC of `toxicity`", 0.94, 0.96)
NATURALLY_HARMFUL = Goal("comments at a natural rate, ROC-AUC of `harm`", 0.94, 0.96)
TALK = Goal("Jigsaw comments, ROC-AUC of `toxicity`", 0.96, 0.975)
LOOKS_HARMFUL = Goal("requests that only look harmful, flagged by `harm`", 12.0, 5.0, "%", True)
ASKS_HARM = Goal("harmful requests, caught by `harm`", 50.0, 75.0, "%")
GROUPS = Goal("the worst group, BPSN-AUC", 0.93, 0.98)
OFFENSIVE = Goal("offensive tweets, macro-F1 of `toxicity`", 78.0, 82.0, "%")
QUERIES = Goal("assistant queries, flagged by `harm`", 0.5, 0.1, "%", True)
SHORT = Goal("one to three innocent words, flagged by the worst label", 5.0, 1.0, "%", True)
LONG = Goal("ten turns of harmless chat as one text, flagged by `harm`", 5.0, 2.0, "%", True)
TRICKS = Goal("spelling tricks, share of the plain catch kept", 85.0, 95.0, "%")
SENTIMENT = Goal("sentiment of tweets, macro-recall", 69.0, 73.0, "%")
LATENCY = Goal("one text of 16 tokens on one core, median", 4.0, 2.0, "ms", True)
GOALS = {
    goal.name: goal
    for goal in (
        HARM, SEXUAL, SELF_HARM, VIOLENCE, HATE, TWINS, NATURALLY_TOXIC, NATURALLY_HARMFUL, TALK,
        LOOKS_HARMFUL, ASKS_HARM, GROUPS, OFFENSIVE, QUERIES, SHORT, LONG,
        TRICKS, SENTIMENT, LATENCY,
    )
}  # fmt: skip


def table(found: Sequence[Found]) -> list[str]:
    """A line for each figure, with its goals."""
    lines = ["| figure | must | aim | here | reached | on |", "|---|---|---|---|---|---|"]
    for each in found:
        goal = GOALS[each.goal]
        bound = "≤ " if goal.at_most else "≥ "
        must, aim = (bound + goal.shown(value) for value in (goal.must, goal.aim))
        here = f"{goal.shown(each.value)} | {goal.reached(each.value)} | {each.texts}"
        lines.append(f"| {goal.name} | {must} | {aim} | {here} |")
    return lines


def of_moderation(folder: Path, data: Path, validation: Judged) -> list[Found]:
    """Every figure of the moderation model; `validation` are the validation rows to report on."""
    rows = drop_held_out(moderation_rows(data))
    public = judge(folder, [row for row in rows if _reported(row)])
    real = validation.where(lambda row: not is_made(row))
    by_hand = judge(folder, [Row(t.text, t.labels, f"{t.theme}.{t.kind}") for t in labelled.read()])
    return [
        *categories(real, by_hand),
        *hateful(validation, by_hand),
        *comments(public),
        *requests(public, by_hand),
        *by_group(folder),
        *offensive(public),
        *queries(judge(folder, benign_rows(data))),
        *calmly(judge(folder, calm.calm_rows(data, folder))),
        *tricked(folder, real),
    ]


def _reported(row: Row) -> bool:
    """Tweets are few, so that all count that were never learnt from."""
    return is_validation(row.text) and (row.source == "olid" or not is_calibration(row.text))


def categories(public: Judged, by_hand: Judged) -> Iterator[Found]:
    """How well harmful texts of any kind, and of three kinds, are put before all others."""
    for goal, label in (
        (HARM, "harm"), (SEXUAL, "sexual"), (SELF_HARM, "self_harm"), (VIOLENCE, "violence"),
    ):  # fmt: skip
        for texts, name in ((public, "validation"), (_about(by_hand, label), "labelled by hand")):
            known = texts.known(label)
            truth = known.truth(label)
            area = average_precision(truth.astype(np.float64), known.score(label))
            yield Found(goal.name, area, f"{name}, {int(truth.sum())} of {len(truth)}")


def _about(by_hand: Judged, label: str) -> Judged:
    themes = [theme for theme, labels in labelled.CONCERNS.items() if label in labels]
    if label == "harm":
        return by_hand
    return by_hand.where(lambda row: row.source.partition(".")[0] in themes)


def hateful(validation: Judged, by_hand: Judged) -> Iterator[Found]:
    """Statements about groups, hateful ones and harmless ones that look like them."""
    kinds = ("generated.hate.", "generated.wgroup.")
    for texts, name in (
        (validation.where(lambda row: row.source.startswith(kinds)), "unseen sentences of ours"),
        (_about(by_hand, "identity_attack"), "labelled by hand"),
    ):
        known = texts.known("identity_attack")
        truth = known.truth("identity_attack")
        right = known.flagged("identity_attack") == truth
        yield Found(HATE.name, 100.0 * right.mean(), f"{name}, {len(right)}")
        yield Found(TWINS.name, 100.0 * right[~truth].mean(), f"{name}, {int((~truth).sum())}")


def comments(public: Judged) -> Iterator[Found]:
    """Comments of three sites: as many toxic ones as there naturally are, and as Jigsaw has."""
    mix = natural(public.of(*JIGSAW, *CIVIL, *PLAIN).known("toxicity"))
    truth = mix.truth("toxicity")
    on = f"validation, {int(truth.sum())} of {len(truth)}"
    for goal, label in ((NATURALLY_TOXIC, "toxicity"), (NATURALLY_HARMFUL, "harm")):
        yield Found(goal.name, roc_area(truth.astype(np.float64), mix.score(label)), on)
    talk = public.of(*JIGSAW).known("toxicity")
    truth = talk.truth("toxicity")
    area = roc_area(truth.astype(np.float64), talk.score("toxicity"))
    yield Found(TALK.name, area, f"validation, {int(truth.sum())} of {len(truth)}")


def natural(judged: Judged, share: float = NATURAL, seed: int = 17) -> Judged:
    """All harmless comments, and as many toxic ones, drawn at random, as make up the share."""
    toxic = [at for at, yes in enumerate(judged.truth("toxicity")) if yes]
    wanted = round((len(judged.rows) - len(toxic)) * share / (1.0 - share))
    left_out = set(random.Random(seed).sample(toxic, max(0, len(toxic) - wanted)))
    kept = [at for at in range(len(judged.rows)) if at not in left_out]
    return Judged([judged.rows[at] for at in kept], judged.scores[kept], judged.labels)


def requests(public: Judged, by_hand: Judged) -> Iterator[Found]:
    """Requests and questions to an assistant, harmful ones and such as only look so."""
    asked = (f".{Kind.REQUEST}", f".{Kind.QUESTION}")
    hand = by_hand.where(lambda row: row.source.endswith(asked)).known("harm")
    safe = public.of(*LOOK_ALIKES).where(lambda row: row.targets.get("harm", 1.0) < 0.5)
    bad = public.of(*REQUESTS).where(lambda row: row.targets.get("harm", 0.0) >= 0.5)
    for goal, texts, name in (
        (LOOKS_HARMFUL, safe, "validation"),
        (LOOKS_HARMFUL, hand.where(lambda row: not row.targets["harm"]), "labelled by hand"),
        (ASKS_HARM, bad, "validation"),
        (ASKS_HARM, hand.where(lambda row: bool(row.targets["harm"])), "labelled by hand"),
    ):
        yield Found(goal.name, 100.0 * texts.flagged("harm").mean(), f"{name}, {len(texts.rows)}")


def by_group(folder: Path) -> Iterator[Found]:
    """The group whose name alone moves a score most."""
    for label, measured in groups.measured(lambda rows: judge(folder, rows)).items():
        name, area, _ = measured.worst[0]
        yield Found(GROUPS.name, area, f"`{label}`, {name}, unseen sentences of ours")


def offensive(public: Judged) -> Iterator[Found]:
    """Tweets that are offensive and others, at 0.5, and at the threshold that suits them best."""
    tweets = public.of("olid").known("toxicity")
    truth = tweets.truth("toxicity")
    best = best_macro_f1(truth, tweets.score("toxicity"))
    on = f"validation, {len(truth)}; at most {100.0 * best:.1f} % at any threshold"
    yield Found(OFFENSIVE.name, 100.0 * macro_f1(truth, tweets.flagged("toxicity")), on)


def queries(chat: Judged) -> Iterator[Found]:
    """Harmless queries to an assistant."""
    asked = chat.of("clinc")
    on = f"validation, {int(asked.flagged('harm').sum())} of {len(asked.rows)}"
    yield Found(QUERIES.name, 100.0 * asked.flagged("harm").mean(), on)


def calmly(innocent: Judged) -> Iterator[Found]:
    """Innocent texts of a word or a few by every label, and long ones by `harm`."""
    short = innocent.where(lambda row: len(row.text.split()) <= 3)
    shares = {label: 100.0 * float(short.flagged(label).mean()) for label in innocent.labels}
    worst = max(shares, key=lambda label: shares[label])
    yield Found(SHORT.name, shares[worst], f"validation, {len(short.rows)}; `{worst}`")
    long = innocent.of("harmless.joined10")
    flagged = long.flagged("harm")
    yield Found(
        LONG.name, 100.0 * flagged.mean(), f"validation, {int(flagged.sum())} of {len(flagged)}"
    )


def tricked(folder: Path, public: Judged) -> Iterator[Found]:
    """Caught abuse that is still caught in disguise: the mean of all ways, and the worst way."""
    texts = tricks.caught_abuse(public)
    shares = {name: float(hit.mean()) for name, hit in tricks.kept(folder, texts).items()}
    worst = min(shares, key=lambda name: shares[name])
    on = f"validation, {len(texts)}; worst: {worst}, {100.0 * shares[worst]:.1f} %"
    yield Found(TRICKS.name, 100.0 * float(np.mean(list(shares.values()))), on)


def of_sentiment(folder: Path, data: Path) -> list[Found]:
    """Tweets only: they are what the goal is about."""
    tweets = [row for row in reported(sentiment_validation(data)) if row.source == "semeval"]
    recalls = class_recalls(moods.truth_of(tweets), score(folder, tweets).argmax(axis=1), 3)
    return [Found(SENTIMENT.name, 100.0 * float(recalls.mean()), f"validation, {len(tweets)}")]
