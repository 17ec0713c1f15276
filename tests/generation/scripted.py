"""A generator that follows a script, a scorer that knows one bad word, and a worker of both."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import redis

from generation.answer import Ports
from generation.generations import FinishReason, Usage
from generation.judge import Judge
from generation.leases import Leases
from generation.running import Runner
from generation.store import Work
from generation.work_redis import RedisWork
from inference.errors import ModelUnavailable
from inference.generator import Cancellation, Ended, Finish, Generator, Piece, Prompt, Turn
from inference.types import Scores
from policy.messages import Verdict
from policy.policy import Action, Policy, Rule
from streams.publisher_redis import RedisPublisher
from tests.builders import some_scores

Step = str | Exception | threading.Event | Ended
BAD = "murder"
POLICY = Policy("strict", 1, (Rule("threats", "moderation", "threat", 0.5, Action.BLOCK),))


class Scripted(Generator):
    """Writes its script; an event holds it up until the event is set or somebody cancels."""

    name = "scripted"

    def __init__(self, *script: Step) -> None:
        self.script = script
        self.prompts: list[Prompt] = []
        self.stopped = threading.Event()
        """Set when a generation was left before its end."""

    @property
    def version(self) -> str:
        return "scripted@1"

    @property
    def context_tokens(self) -> int:
        return 4096

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        return 7

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        self.prompts.append(prompt)
        cancelled = threading.Event()
        cancellation.on_cancel(cancelled.set)
        try:
            yield from self._follow(cancelled)
        finally:
            if cancelled.is_set():
                self.stopped.set()

    def _follow(self, cancelled: threading.Event) -> Iterator[Piece | Ended]:
        for step in self.script:
            if isinstance(step, threading.Event):
                while not step.wait(0.005) and not cancelled.is_set():
                    pass
            elif isinstance(step, Exception):
                raise step
            else:
                yield Piece(step) if isinstance(step, str) else step
            if cancelled.is_set() or isinstance(step, Ended):
                return
        yield Ended(Finish.STOP, 7, len(self.script))


class Endless(Scripted):
    """Writes the same piece until somebody leaves."""

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        try:
            while True:
                yield from (Piece(step) for step in self.script if isinstance(step, str))
        finally:
            self.stopped.set()


@dataclass
class Ears:
    """A scorer that knows one bad word, and remembers what it judged."""

    judged: list[str] = field(default_factory=list)
    plugins: list[Collection[str] | None] = field(default_factory=list)
    """By whom, call by call; None is all."""
    error: Exception | None = None
    missing: bool = False
    doubtful: Callable[[str], bool] = lambda text: False
    """What is scored as an insult."""

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        self.judged += texts
        self.plugins.append(plugins)
        if self.error:
            raise self.error
        if self.missing:
            return [Scores({}, {}, {"moderation": "not loaded"}) for _ in texts]
        return [
            some_scores(threat=0.9 if BAD in text else 0.1, insult=float(self.doubtful(text)))
            for text in texts
        ]


class Book:
    """One policy for everything."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy

    def for_stream(self, site: str, stream: str) -> Policy:
        return self.policy


@dataclass
class Notes:
    """What the watcher was told."""

    began_s: list[float] = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    firsts: int = 0
    nexts: int = 0
    endings: list[tuple[FinishReason, Usage]] = field(default_factory=list)
    overs: int = 0

    def began(self, waited_s: float) -> None:
        self.began_s.append(waited_s)

    def shown(self, waited_s: float) -> None:
        self.shown_s.append(waited_s)

    def first(self, model: str, seconds: float) -> None:
        self.firsts += 1

    def next(self, model: str, seconds: float) -> None:
        self.nexts += 1

    def ended(self, reason: FinishReason, usage: Usage) -> None:
        self.endings.append((reason, usage))

    def over(self) -> None:
        self.overs += 1


class Worker:
    """Everything that a worker's process holds, over a real Valkey."""

    def __init__(
        self,
        valkey: redis.Redis,
        *script: Step,
        now_ms: int = 1_800_000_000_500,
        generator: Generator | None = None,
        leases: Callable[[Work], Leases] = Leases,
    ) -> None:
        """Another generator takes the script's place; `leases` make those of this worker."""
        self.generator = Scripted(*script)
        self._writes = generator or self.generator
        self.ears = Ears()
        self.book = Book()
        self.notes = Notes()
        self.spoken: list[Verdict] = []
        self.work = RedisWork(valkey)
        self.leases = leases(self.work)
        self._publisher = RedisPublisher(valkey, lambda site, stream: (100, 600))
        ports = Ports(
            work=self.work,
            judge=Judge(self.ears, lambda: self.book, lambda: now_ms),
            generator=self._find,
            speak=self._speak,
            note=self._publisher.note,
            watcher=self.notes,
            now_ms=lambda: now_ms,
        )
        self.runner = Runner(ports, self.leases)

    def run(self, id: str) -> None:
        """Writes a generation, if it still waits."""
        if (found := self.work.claim(id)) is not None:
            self.runner.write(found)

    def begin(self, id: str) -> threading.Thread:
        """Runs a generation in a thread of its own, as a pool does."""
        thread = threading.Thread(target=self.run, args=(id,), daemon=True)
        thread.start()
        return thread

    def _find(self, name: str) -> Generator:
        if name == "gone":
            raise ModelUnavailable("The model 'gone' is switched off.")
        return self._writes

    def _speak(self, verdict: Verdict, shown: bool) -> bool:
        self.spoken.append(verdict)
        return self._publisher.speak(verdict, shown=shown)
