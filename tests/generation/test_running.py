"""A worker writes answers: judged both ways, told as they grow, stopped, published and ended."""

import json
import threading
from collections.abc import Collection, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

import pytest
import redis

from generation import keys, pieces
from generation.answer import CONTEXT
from generation.generations import FinishReason, Generation, Snapshot, Status, Usage
from generation.generations_redis import RedisGenerations
from generation.leases import LOOK_S, RENEW_S, Leases
from generation.memory import Conversation
from inference.errors import ModelUnavailable, Overloaded, TooLarge
from inference.generator import Ended, Finish, Role, Sampling, Turn
from inference.types import Scores
from policy import keys as policy_keys
from policy.keys import stream_group
from policy.policy import FILTER_RULE, Action, Judges, Policy, Rule
from streams import keys as stream_keys
from tests.generation.answers import a_generation, a_visitor
from tests.generation.conftest import Ear
from tests.generation.scripted import BAD, Book, Endless, Step, Worker
from tests.product import until

LONG = Sampling(max_tokens=10_000)
DOUBTFUL = "kill"
CAREFUL = Policy("careful", 1, (Rule("maybe", "moderation", "insult", 0.5, Action.HOLD),))
"""Holds what the scorer of these tests finds doubtful."""


async def ask(generations: RedisGenerations, **changes: object) -> Generation:
    generation = a_generation(**changes)
    assert (await generations.admit(generation, a_visitor())).fresh
    return generation


async def read(generations: RedisGenerations, generation: Generation) -> Snapshot:
    found = await generations.read(generation.id)
    assert found is not None
    return found


async def answered(
    valkey: redis.Redis, generations: RedisGenerations, *script: Step, **changes: object
) -> tuple[Worker, Snapshot]:
    """A generation that was written to its end."""
    worker = Worker(valkey, *script)
    generation = await ask(generations, **changes)
    worker.run(generation.id)
    return worker, await read(generations, generation)


def history(valkey: redis.Redis) -> list[dict[str, Any]]:
    rows = valkey.zrange(stream_keys.history("demo", "lobby"), 0, -1)
    return [json.loads(str(row).partition("|")[2].split("\n")[0]) for row in rows]


def tell(valkey: redis.Redis, generation: Generation, text: str) -> None:
    """Waits until so much was told."""
    until(lambda: valkey.get(keys.text(generation.id)) == text, what=text)


async def heard(
    valkey: redis.Redis,
    generations: RedisGenerations,
    ear: Ear,
    worker: Worker,
    hold: threading.Event,
) -> Generation:
    """Listens to an answer whose first word, "One", is told before the rest comes."""
    generation = await ask(generations)
    ear.listen(keys.group(generation.id))
    thread = worker.begin(generation.id)
    tell(valkey, generation, "One")
    hold.set()
    thread.join(10)
    return generation


async def test_an_answer_is_written_to_its_end(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker, found = await answered(valkey, generations, "Grüße", " 👋", " an alle.")

    assert (found.text, found.status, found.finish) == (
        "Grüße 👋 an alle.",
        Status.DONE,
        FinishReason.STOP,
    )
    assert found.usage == Usage(7, 3)
    (prompt,) = worker.generator.prompts
    assert prompt.turns == a_generation().turns
    assert worker.notes.began_s == [0.5]
    assert worker.notes.shown_s == [0.5]
    assert (worker.notes.firsts, worker.notes.nexts) == (1, 2)
    assert worker.notes.endings == [(FinishReason.STOP, Usage(7, 3))]
    assert worker.notes.overs == 1


async def test_an_answer_at_its_longest_says_so(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    _, found = await answered(valkey, generations, "And so", Ended(Finish.LENGTH, 5, 1))

    assert (found.finish, found.usage) == (FinishReason.LENGTH, Usage(5, 1))


async def test_the_first_piece_is_told_at_once_and_later_ones_are_joined(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "One", hold, *[f", {n}" for n in range(20)])
    generation = await heard(valkey, generations, ear, worker, hold)

    tokens = [each for each in ear.hear() if each["type"] == "generation.token"]
    assert tokens[0]["text"] == "One"
    assert len(tokens) < 20
    assert "".join(each["text"] for each in tokens) == (await read(generations, generation)).text
    assert [each["from"] for each in tokens] == [
        sum(len(each["text"]) for each in tokens[:place]) for place in range(len(tokens))
    ]


async def test_a_first_piece_announces_its_answer_in_the_same_step(
    valkey: redis.Redis,
    generations: RedisGenerations,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "One", hold, " two.")
    monkeypatch.setattr(worker.work, "start", lambda generation: pytest.fail("A step too many."))
    await heard(valkey, generations, ear, worker, hold)

    kinds = [each["type"].removeprefix("generation.") for each in ear.hear()]
    assert kinds == ["start", "token", "token", "done"]


@pytest.mark.parametrize("first", [f"I will {BAD} you.", f"{BAD} " * 30])
async def test_an_answer_stopped_in_its_first_piece_was_announced(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear, first: str
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, first, hold)
    generation = await ask(generations)
    ear.listen(keys.group(generation.id))

    worker.run(generation.id)

    assert [each["type"] for each in ear.hear()] == ["generation.start", "generation.done"]


async def test_only_what_the_client_said_is_judged_and_each_turn_by_itself(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    turns = (
        Turn(Role.SYSTEM, f"Never speak of {BAD}."),
        Turn(Role.USER, "Hello."),
        Turn(Role.ASSISTANT, "Hello!"),
        Turn(Role.USER, "Who are you?"),
    )
    worker, found = await answered(valkey, generations, "Me", turns=turns, judged=3)

    assert worker.ears.judged[:3] == ["Hello.", "Hello!", "Who are you?"]
    assert found.finish is FinishReason.STOP


async def test_a_bad_question_never_reaches_the_model(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    ear.listen(stream_group("demo", "lobby"))
    worker, found = await answered(
        valkey, generations, "Yes", turns=(Turn(Role.USER, f"I will {BAD} you."),), stream="lobby"
    )

    assert worker.generator.prompts == []
    assert (found.finish, found.text) == (FinishReason.BLOCKED, "")
    assert found.detail == "The question was stopped by: threats."
    assert [each["type"] for each in ear.hear()] == ["generation.done"]
    assert worker.spoken == []


async def test_nothing_is_judged_where_a_verdict_allowed_it_before(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker, found = await answered(
        valkey, generations, "Me", turns=(Turn(Role.USER, f"{BAD}?"),), judged=0
    )

    assert found.finish is FinishReason.STOP
    assert worker.ears.judged == ["Me"]


async def test_a_sentence_is_judged_before_its_end_is_told(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "I will", hold, f" {BAD} you.", " Today.", threading.Event())
    generation = await ask(generations)
    ear.listen(keys.group(generation.id))
    thread = worker.begin(generation.id)
    tell(valkey, generation, "I will")
    hold.set()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.text) == (FinishReason.BLOCKED, "")
    assert found.detail == "The answer was stopped by: threats."
    heard = ear.hear()
    assert [each["text"] for each in heard if each["type"] == "generation.token"] == ["I will"]
    assert heard[-1]["finish_reason"] == "blocked"
    assert worker.generator.stopped.wait(5)


async def test_text_without_an_end_is_judged_every_forty_tokens_with_what_came_before(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    holds = [threading.Event() for _ in range(5)]
    groups = [[f" w{n:02}" for n in range(start, start + 20)] for start in range(0, 100, 20)]
    steps: list[Step] = []
    for group, hold in zip(groups, holds, strict=True):
        steps += [*group, hold]
    worker = Worker(valkey, *steps)
    generation = await ask(generations, judged=0, sampling=LONG)
    thread = worker.begin(generation.id)
    text = ""
    for group, hold in zip(groups, holds, strict=True):
        text += "".join(group)
        tell(valkey, generation, text)
        hold.set()
    thread.join(10)

    first, second, whole = worker.ears.judged
    assert first == text[: 40 * 4]
    assert second == text[: 80 * 4]
    assert whole == text
    assert CONTEXT > 80 * 4


async def test_many_tokens_in_one_piece_are_judged_before_they_are_told(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    worker = Worker(valkey, f"{BAD} " * 30)
    generation = await ask(generations)
    ear.listen(keys.group(generation.id))

    worker.run(generation.id)

    assert [each["type"] for each in ear.hear()] == ["generation.start", "generation.done"]


async def test_the_context_of_a_long_answer_is_bounded(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "x" * 5_000 + ".", hold, "Short.", threading.Event())
    generation = await ask(generations, judged=0, sampling=LONG)
    thread = worker.begin(generation.id)
    tell(valkey, generation, "x" * 5_000 + ".")
    hold.set()
    tell(valkey, generation, "x" * 5_000 + ".Short.")
    await generations.cancel(generation.id)
    thread.join(10)

    assert worker.ears.judged[1] == "x" * (CONTEXT - 1) + ".Short."


async def test_what_is_bad_only_as_a_whole_is_blocked_at_the_end(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, BAD[:3], BAD[3:])
    generation = await ask(generations)
    worker.run(generation.id)

    assert (await read(generations, generation)).finish is FinishReason.BLOCKED


@pytest.mark.parametrize("fail_mode", list(Action))
@pytest.mark.parametrize("way", ["raises", "misses"])
async def test_where_nobody_can_judge_the_fail_mode_decides(
    valkey: redis.Redis, generations: RedisGenerations, fail_mode: Action, way: str
) -> None:
    worker = Worker(valkey, "Me")
    rules = (Rule("threats", "moderation", "threat", 0.5, Action.BLOCK),)
    worker.book = Book(Policy("p", 1, rules, fail_mode))
    worker.ears.error = RuntimeError("broken") if way == "raises" else None
    worker.ears.missing = way == "misses"
    generation = await ask(generations)

    worker.run(generation.id)

    found = await read(generations, generation)
    assert found.finish is (FinishReason.STOP if fail_mode.publishes else FinishReason.BLOCKED)
    assert bool(worker.generator.prompts) is fail_mode.publishes


async def test_an_answer_that_is_doubtful_while_it_grows_goes_on(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, f"You {DOUBTFUL}.", hold, " time.")
    worker.book = Book(CAREFUL)
    worker.ears.doubtful = lambda text: text.endswith(f"{DOUBTFUL}.")
    generation = await ask(generations, stream="lobby")
    thread = worker.begin(generation.id)
    tell(valkey, generation, f"You {DOUBTFUL}.")
    hold.set()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.text) == (FinishReason.STOP, f"You {DOUBTFUL}. time.")
    assert [each.action for each in worker.spoken] == [Action.ALLOW]


@pytest.mark.parametrize("ends", ["stop", "cancel", "fail"])
async def test_an_answer_that_is_doubtful_in_the_end_is_held_and_taken_back(
    valkey: redis.Redis, generations: RedisGenerations, ends: str
) -> None:
    hold = threading.Event()
    last = [ModelUnavailable("It broke off.")] if ends == "fail" else []
    worker = Worker(valkey, f"You {DOUBTFUL}.", hold, *last)
    worker.book = Book(CAREFUL)
    worker.ears.doubtful = lambda text: DOUBTFUL in text
    generation = await ask(generations, stream="lobby")
    thread = worker.begin(generation.id)
    tell(valkey, generation, f"You {DOUBTFUL}.")
    if ends == "cancel":
        await generations.cancel(generation.id)
    else:
        hold.set()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.text) == (FinishReason.BLOCKED, "")
    assert found.detail == "The answer was stopped by: maybe."
    assert [each.action for each in worker.spoken] == [Action.HOLD]
    assert [each["type"] for each in history(valkey)] == ["removed"]


async def test_an_answer_that_nobody_can_judge_any_more_ends_while_it_grows(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "One.", hold, " Two.", threading.Event())
    worker.book = Book(CAREFUL)
    generation = await ask(generations)
    thread = worker.begin(generation.id)
    tell(valkey, generation, "One.")
    worker.ears.missing = True
    hold.set()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.detail) == (
        FinishReason.BLOCKED,
        "The answer was stopped by: undecided.",
    )
    assert worker.generator.stopped.wait(5)


async def test_a_rule_for_people_judges_the_question_and_one_for_assistants_the_answer(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    asked = (Turn(Role.USER, f"{BAD}?"),)
    for judges, found in ((Judges.PEOPLE, "question"), (Judges.ASSISTANTS, "answer")):
        worker = Worker(valkey, f"{BAD}!")
        rule = Rule("threats", "moderation", "threat", 0.5, Action.BLOCK, judges)
        worker.book = Book(Policy("p", 1, (rule,)))
        generation = await ask(generations, turns=asked)
        worker.run(generation.id)

        detail = (await read(generations, generation)).detail
        assert detail == f"The {found} was stopped by: threats."


@pytest.mark.parametrize(("size", "most", "counted"), [(1, 72, 72), (4, 29, 72), (40, 3, 75)])
async def test_an_answer_much_longer_than_was_asked_for_ends_and_stops_its_model(
    valkey: redis.Redis, generations: RedisGenerations, size: int, most: int, counted: int
) -> None:
    """The model never ends, and each of its pieces holds so many tokens."""
    generator = Endless("word " * size)
    worker = Worker(valkey, generator=generator)
    generation = await ask(generations, stream="lobby", sampling=Sampling(max_tokens=64))
    worker.run(generation.id)

    found = await read(generations, generation)
    assert found.finish is FinishReason.LENGTH
    assert found.text == "word " * size * most
    assert found.usage == Usage(7, counted)
    assert generator.stopped.wait(5)
    assert [each["text"] for each in history(valkey)] == [found.text]


async def test_a_few_more_pieces_than_tokens_are_not_too_long(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    script = ["word "] * 71
    sampling = Sampling(max_tokens=64)
    _, found = await answered(valkey, generations, *script, sampling=sampling)

    assert (found.finish, found.text) == (FinishReason.STOP, "word " * 71)


async def test_a_finished_answer_is_one_message_of_its_stream_before_it_is_done(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    ear.listen(stream_group("demo", "lobby"))
    worker, found = await answered(valkey, generations, "I am", " fine.", stream="lobby")

    (frame,) = history(valkey)
    assert frame["type"] == "message"
    assert (frame["id"], frame["text"]) == (found.generation.id, "I am fine.")
    assert frame["author"] == {"id": "assistant", "name": "Assistant", "kind": "assistant"}
    kinds = [each["type"] for each in ear.hear()]
    assert kinds[0] == "generation.start"
    assert kinds[-2:] == ["stream.frame", "generation.done"]
    assert valkey.xlen(policy_keys.OUTBOX) == 1
    assert len(worker.spoken) == 1
    assert worker.ears.judged.count("I am fine.") == 1


async def test_a_blocked_answer_is_taken_back_from_its_stream(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "I will", hold, f" {BAD} you.")
    generation = await ask(generations, stream="lobby")
    thread = worker.begin(generation.id)
    tell(valkey, generation, "I will")
    hold.set()
    thread.join(10)

    (frame,) = history(valkey)
    assert (frame["type"], frame["id"], frame["by"]) == ("removed", generation.id, "policy")
    assert (await read(generations, generation)).finish is FinishReason.BLOCKED
    (verdict,) = worker.spoken
    assert verdict.message.text == f"I will {BAD} you."
    assert verdict.action is Action.BLOCK


async def test_an_answer_blocked_before_anybody_saw_it_leaves_no_frame(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    _, found = await answered(valkey, generations, f"{BAD}!", stream="lobby")

    assert found.finish is FinishReason.BLOCKED
    assert history(valkey) == []
    assert valkey.xlen(policy_keys.OUTBOX) == 1


async def test_an_answer_that_the_models_own_filter_stopped_is_taken_back_from_its_stream(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "Some", hold, " text", Ended(Finish.BLOCKED, 5, 2))
    generation = await ask(generations, stream="lobby", conversation=Conversation("demo", "user-1"))
    ear.listen(stream_group("demo", "lobby"))
    thread = worker.begin(generation.id)
    tell(valkey, generation, "Some")
    hold.set()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.text, found.usage) == (FinishReason.BLOCKED, "", Usage(5, 2))
    assert found.detail == f"The answer was stopped by: {FILTER_RULE}."
    (frame,) = history(valkey)
    assert (frame["type"], frame["id"], frame["by"]) == ("removed", generation.id, "policy")
    assert [each["type"] for each in ear.hear()][-2:] == ["stream.frame", "generation.done"]
    (verdict,) = worker.spoken
    assert (verdict.message.text, verdict.action) == ("Some text", Action.BLOCK)
    assert verdict.scores.by_plugin
    assert not valkey.exists(keys.conversation("demo", "user-1"))


@pytest.mark.parametrize("stream", [None, "lobby"])
async def test_what_the_models_own_filter_stops_at_once_is_never_told(
    valkey: redis.Redis, generations: RedisGenerations, stream: str | None
) -> None:
    for script in (["Some text."], []):
        _, found = await answered(
            valkey, generations, *script, Ended(Finish.BLOCKED, 5, 1), stream=stream
        )

        assert (found.finish, found.text) == (FinishReason.BLOCKED, "")
        assert found.detail == f"The answer was stopped by: {FILTER_RULE}."
    assert history(valkey) == []
    assert valkey.xlen(policy_keys.OUTBOX) == 1


async def test_a_cancelled_answer_stops_its_model_and_keeps_its_text(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, "I am", threading.Event(), " never told.")
    generation = await ask(generations, stream="lobby")
    thread = worker.begin(generation.id)
    tell(valkey, generation, "I am")

    assert await generations.cancel(generation.id)
    assert worker.generator.stopped.wait(5)
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.text) == (FinishReason.CANCELLED, "I am")
    assert found.usage == Usage(7, 1)
    (frame,) = history(valkey)
    assert (frame["type"], frame["text"]) == ("message", "I am")


class Looks:
    """The pauses between a worker's looks at what must stop: each lasts until the test ends it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.begun: SimpleQueue[float] = SimpleQueue()
        """How long each pause that began is to last."""
        self._ends = threading.Semaphore(0)

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.begun.put(seconds)
        self._ends.acquire()

    def end(self, seconds: float) -> None:
        """Lets so much time pass, and the pause be over."""
        self.now += seconds
        self._ends.release()


@pytest.mark.parametrize("renews", [False, True])
async def test_a_model_is_stopped_by_the_first_look_after_the_cancel(
    valkey: redis.Redis, generations: RedisGenerations, renews: bool
) -> None:
    looks = Looks()
    leases = partial(Leases, clock=looks.clock, pause=looks.pause)
    worker = Worker(valkey, "I am", threading.Event(), leases=leases)
    generation = await ask(generations)
    thread = worker.begin(generation.id)
    tell(valkey, generation, "I am")
    assert looks.begun.get(timeout=10) == LOOK_S

    assert await generations.cancel(generation.id)
    looks.end(RENEW_S if renews else LOOK_S)

    assert worker.generator.stopped.wait(10)
    thread.join(10)
    assert looks.begun.get(timeout=10) == LOOK_S
    assert looks.begun.empty()
    assert (await read(generations, generation)).finish is FinishReason.CANCELLED


def test_looks_are_often_enough_for_a_quarter_of_a_second() -> None:
    assert 2 * LOOK_S < 0.25


async def test_a_cancelled_answer_whose_part_is_bad_is_blocked(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, f"I will {BAD}", threading.Event())
    generation = await ask(generations, stream="lobby")
    thread = worker.begin(generation.id)
    tell(valkey, generation, f"I will {BAD}")

    await generations.cancel(generation.id)
    thread.join(10)

    assert (await read(generations, generation)).finish is FinishReason.BLOCKED
    assert [each["type"] for each in history(valkey)] == ["removed"]


async def test_one_cancelled_before_it_was_taken_is_not_begun(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, "Me")
    generation = await ask(generations)
    await generations.cancel(generation.id)

    worker.run(generation.id)

    assert worker.generator.prompts == []
    assert worker.notes.began_s == []


async def test_a_task_that_comes_twice_has_one_effect(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    hold = threading.Event()
    worker, other = Worker(valkey, "Me", hold), Worker(valkey, "You")
    generation = await ask(generations, stream="lobby")
    ear.listen(stream_group("demo", "lobby"))
    thread = worker.begin(generation.id)
    tell(valkey, generation, "Me")
    other.run(generation.id)
    worker.run(generation.id)
    hold.set()
    thread.join(10)
    worker.run(generation.id)

    assert other.generator.prompts == []
    assert len(worker.generator.prompts) == 1
    kinds = [each["type"] for each in ear.hear()]
    assert kinds == ["generation.start", "generation.token", "stream.frame", "generation.done"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TooLarge("The prompt has 9 tokens too many."), "too_large"),
        (Overloaded("No place is free."), "overloaded"),
        (ModelUnavailable("The upstream answered 500."), "model_unavailable"),
        (ValueError("a bug"), "internal"),
    ],
)
@pytest.mark.parametrize("before", [(), ("Half a",)])
async def test_a_model_that_fails_interrupts_the_answer(
    valkey: redis.Redis,
    generations: RedisGenerations,
    error: Exception,
    code: str,
    before: tuple[str, ...],
) -> None:
    worker, found = await answered(valkey, generations, *before, error, stream="lobby", ref="r1")

    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, code)
    assert found.text == "".join(before)
    assert "a bug" not in found.detail
    assert worker.spoken == []
    assert (await generations.admit(a_generation(ref="r1"), a_visitor())).fresh


@pytest.mark.parametrize("text", ["", "Half a"])
async def test_only_a_model_that_refuses_before_its_first_word_is_not_announced(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear, text: str
) -> None:
    ear.listen(stream_group("demo", "lobby"))
    script = [text] if text else []
    await answered(valkey, generations, *script, TooLarge("Too long."), stream="lobby")

    kinds = [each["type"] for each in ear.hear()]
    assert kinds == ["generation.start", "generation.token"] * bool(text) + ["generation.done"]


async def test_a_model_that_is_full_leaves_word_of_when_to_ask_again(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    ear.listen(stream_group("demo", "lobby"))
    full = Overloaded("No place is free.", retry_after_ms=7_000)
    _, found = await answered(valkey, generations, full, stream="lobby")

    assert (found.code, found.detail, found.retry_after_ms) == ("overloaded", full.detail, 7_000)
    assert [each["retry_after_ms"] for each in ear.hear()] == [7_000]


async def test_a_model_that_thinks_for_long_is_announced_before_its_first_word(
    valkey: redis.Redis,
    generations: RedisGenerations,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "REFUSAL_S", 0.01)
    hold = threading.Event()
    worker = Worker(valkey, hold, "Me")
    generation = await ask(generations)
    ear.listen(keys.group(generation.id))
    thread = worker.begin(generation.id)
    status = keys.generation(generation.id)
    until(lambda: valkey.hget(status, "status") == "running", what="its start")
    assert [each["type"] for each in ear.hear()] == ["generation.start"]

    hold.set()
    thread.join(10)

    assert [each["type"] for each in ear.hear()] == ["generation.token", "generation.done"]


@pytest.mark.parametrize("ours", [True, False])
async def test_one_cancelled_or_lost_while_its_question_is_judged_never_reaches_the_model(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear, ours: bool
) -> None:
    worker = Worker(valkey, "Me")
    generation = await ask(generations)
    ear.listen(keys.group(generation.id))
    score = worker.ears.score

    def stop_it_meanwhile(
        texts: Sequence[str], plugins: Collection[str] | None = None
    ) -> list[Scores]:
        change = ("cancelled", "1") if ours else ("worker", "another")
        valkey.hset(keys.generation(generation.id), *change)
        return score(texts)

    worker.ears.score = stop_it_meanwhile  # type: ignore[method-assign]
    worker.run(generation.id)

    assert worker.generator.prompts == []
    found = await read(generations, generation)
    assert found.finish is (FinishReason.CANCELLED if ours else None)
    assert [each["type"] for each in ear.hear()] == ["generation.done"] * ours


async def test_a_model_that_ends_without_a_word_is_a_failure(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey)
    worker.generator.generate = lambda prompt, cancellation: iter(())  # type: ignore[method-assign]
    generation = await ask(generations)

    worker.run(generation.id)

    assert (await read(generations, generation)).code == "model_unavailable"


async def test_a_model_that_is_switched_off_interrupts_before_the_start(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    ear.listen(stream_group("demo", "lobby"))
    _, found = await answered(valkey, generations, "Me", model="gone", stream="lobby")

    assert (found.finish, found.detail) == (
        FinishReason.INTERRUPTED,
        "The model 'gone' is switched off.",
    )
    assert [each["type"] for each in ear.hear()] == ["generation.done"]


async def test_an_empty_answer_is_no_message(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker, found = await answered(valkey, generations, stream="lobby")

    assert (found.finish, found.text) == (FinishReason.STOP, "")
    assert worker.spoken == []


async def test_half_a_character_is_replaced(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    _, found = await answered(valkey, generations, "Hm \ud83d", " \udc4b.")

    assert found.text == "Hm ? ?."


async def test_a_worker_taken_for_dead_tells_nothing_more(
    valkey: redis.Redis, generations: RedisGenerations, ear: Ear
) -> None:
    worker = Worker(valkey, "I am", threading.Event(), " late.")
    generation = await ask(generations, stream="lobby")
    thread = worker.begin(generation.id)
    tell(valkey, generation, "I am")
    with worker.leases._lock:  # It may not renew its lease between the next two steps.
        valkey.zadd(keys.LEASES, {generation.id: 1})
        await generations.sweep()
    ear.listen(stream_group("demo", "lobby"))

    assert worker.generator.stopped.wait(5)
    thread.join(10)

    assert ear.hear() == []
    assert history(valkey) == []
    assert worker.notes.endings == []
    assert worker.notes.overs == 1


async def test_a_worker_that_shuts_down_interrupts_what_is_left(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, "I am", threading.Event())
    generation, waiting = await ask(generations), await ask(generations)
    thread = worker.begin(generation.id)
    tell(valkey, generation, "I am")

    worker.leases.drain()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, "model_unavailable")
    assert (await read(generations, waiting)).status is Status.WAITING


@pytest.mark.parametrize("stream", [None, "lobby"])
@pytest.mark.parametrize("drains", [False, True])
async def test_an_interrupted_answer_whose_unjudged_part_is_bad_is_blocked(
    valkey: redis.Redis, generations: RedisGenerations, stream: str | None, drains: bool
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, f"I will {BAD}", hold, ModelUnavailable("It broke off."))
    generation = await ask(generations, stream=stream)
    thread = worker.begin(generation.id)
    tell(valkey, generation, f"I will {BAD}")

    if drains:
        worker.leases.drain()
    else:
        hold.set()
    thread.join(10)

    found = await read(generations, generation)
    assert (found.finish, found.text, found.code) == (FinishReason.BLOCKED, "", "")
    assert found.detail == "The answer was stopped by: threats."
    assert [each["type"] for each in history(valkey)] == (["removed"] if stream else [])
    assert valkey.xlen(policy_keys.OUTBOX) == 1


async def test_only_what_is_kept_is_scored_by_plugins_that_no_rule_asks(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    hold = threading.Event()
    worker = Worker(valkey, "One.", hold, " Two")
    generation = await ask(generations)
    thread = worker.begin(generation.id)
    tell(valkey, generation, "One.")
    hold.set()
    thread.join(10)

    rules = worker.book.policy.plugins_for("assistant")
    assert rules == {"moderation"}
    assert worker.ears.judged == ["Who are you?", "One.", "One. Two"]
    assert worker.ears.plugins == [rules, rules, None]


async def test_an_interrupted_answer_is_judged_again_only_where_some_of_it_was_not(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    for script in (["One."], ["One", " two"]):
        worker, found = await answered(
            valkey, generations, *script, ModelUnavailable("It broke off."), judged=0
        )

        assert (found.finish, found.text) == (FinishReason.INTERRUPTED, "".join(script))
        assert worker.ears.judged == ["".join(script)]
    assert valkey.xlen(policy_keys.OUTBOX) == 0


async def test_thirty_two_answers_grow_at_once(valkey: redis.Redis, url: str) -> None:
    generations = RedisGenerations(url)
    hold = threading.Event()
    worker = Worker(valkey, "One", hold, " two.")
    asked = [await ask(generations) for _ in range(32)]
    threads = [worker.begin(each.id) for each in asked]
    for each in asked:
        tell(valkey, each, "One")
    hold.set()
    for thread in threads:
        thread.join(20)

    for each in asked:
        assert (await read(generations, each)).text == "One two."
