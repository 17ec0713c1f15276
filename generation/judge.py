"""Judges what goes to a model and what comes from it, by the policy of the stream or site."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from generation.generations import Generation
from generation.joined_scoring import Scorer
from inference.types import Scores
from policy.judging import NO_SCORES, Clock, PolicyBook
from policy.messages import Message, Verdict
from policy.policy import Action, Decision, decide, fail, filtered

logger = logging.getLogger(__name__)


class Judge:
    """Every text is judged by itself; where no scores come, the policy's fail mode decides.

    A question is judged by the rules for who asks, an answer by those for assistants. What is not
    kept whole, a question or an answer that grows, is scored only by the plugins that these rules
    look at: the model waits for the one, and readers for the other.
    """

    def __init__(self, scorer: Scorer, policies: Callable[[], PolicyBook], clock: Clock) -> None:
        self._scorer = scorer
        self._policies = policies
        self._clock = clock

    def prompt(self, generation: Generation) -> Verdict | None:
        """The verdict that keeps one of the client's turns from the model, if there is one."""
        asked = generation.turns[len(generation.turns) - generation.judged :]
        if not asked:
            return None
        said = [(_question(generation, turn.content), turn.content) for turn in asked]
        verdicts = self._verdicts(generation, said, whole=False)
        return next((each for each in verdicts if not each.action.publishes), None)

    def growing(self, generation: Generation, text: str, judged: str) -> Verdict:
        """The verdict on an answer's `text` so far, of which the end, `judged`, is looked at."""
        message = _message(generation, text, self._clock())
        [verdict] = self._verdicts(generation, [(message, judged)], whole=False)
        return verdict

    def answer(self, generation: Generation, text: str) -> Verdict:
        """The verdict on a whole answer, by which it is remembered."""
        message = _message(generation, text, self._clock())
        [verdict] = self._verdicts(generation, [(message, text)], whole=True)
        return verdict

    def filtered(self, generation: Generation, text: str) -> Verdict:
        """The verdict on an answer that the model's own filter stopped: it never publishes."""
        verdict = self.answer(generation, text)
        return replace(verdict, decision=filtered(verdict.decision))

    def _verdicts(
        self, generation: Generation, said: Sequence[tuple[Message, str]], *, whole: bool
    ) -> list[Verdict]:
        """One for each message, of which the text beside it, the end of its own, is looked at."""
        started = self._clock()
        judged = self._judge(generation, said, whole)
        ended = self._clock()
        timing = {"model": ended - started, "total": ended - started}
        return [
            Verdict(message, decision, scores, decided_ms=ended, timing_ms=timing)
            for (message, _), (scores, decision) in zip(said, judged, strict=True)
        ]

    def _judge(
        self, generation: Generation, said: Sequence[tuple[Message, str]], whole: bool
    ) -> list[tuple[Scores, Decision]]:
        policy = self._policies().for_stream(generation.site, generation.stream or "")
        kind = said[0][0].author.kind
        plugins = None if whole else policy.plugins_for(kind)
        try:
            scored = self._scorer.score([text for _, text in said], plugins)
        except Exception:  # Whatever it is, an unjudged text may not pass in silence.
            logger.exception("%d texts got no scores", len(said))
            return [(NO_SCORES, fail(policy)) for _ in said]
        placed = [
            scores.behind(len(message.text) - len(text))
            for scores, (message, text) in zip(scored, said, strict=True)
        ]
        return [(scores, decide(scores, policy, kind)) for scores in placed]


def stops(verdict: Verdict, *, whole: bool) -> bool:
    """Whether a verdict ends its answer.

    One that grows may look doubtful for want of its end: only what is clear ends it, or that
    nobody can judge it. The whole answer is ended by whatever keeps it from being published.
    """
    if whole or verdict.decision.by_fail_mode:
        return not verdict.action.publishes
    return verdict.action is Action.BLOCK


def _question(generation: Generation, text: str) -> Message:
    """What was asked, as it is written down: no message, and so without a stream."""
    return Message(
        id=generation.id,
        site=generation.site,
        stream="",
        author=generation.owner,
        session="",
        ref=generation.ref,
        text=text,
        accepted_ms=generation.accepted_ms,
        deadline_ms=generation.deadline_ms,
    )


def _message(generation: Generation, text: str, now_ms: int) -> Message:
    """What the stream gets to see: the answer as a message of the assistant."""
    return Message(
        id=generation.id,
        site=generation.site,
        stream=generation.stream or "",
        author=generation.assistant,
        session="",
        ref="",
        text=text,
        accepted_ms=now_ms,
        deadline_ms=now_ms,
    )
