"""From what a client asked for to the Generation that a worker gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generation import memory
from generation.assistants import Assistant, AssistantBook, ModelSettings
from generation.generations import Generation, OnDisconnect
from generation.memory import Conversation, Memory
from generation.store import Requester
from generation.triggers import without_mention
from inference.errors import ModelUnavailable, NotFound, TooLarge, Unsupported
from inference.generator import Role, Sampling, Turn
from policy.messages import Author

ASSISTANT_ID = "assistant"
"""The author id of every site's assistant."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose form was checked; None stands for what the assistant's settings say.

    `judged_before` is set for turns that a verdict allowed already. `conversation` is the name that
    a program gave its own, "" where it wants none to be kept.
    """

    ref: str
    turns: tuple[Turn, ...]
    stream: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    on_disconnect: OnDisconnect = OnDisconnect.CONTINUE
    judged_before: bool = False
    conversation: str = ""


class Composer:
    """Puts the site's prompt and the memory before what was asked, and clamps its limits.

    It blocks where the book does, and where it `remembers`: an event loop calls it in a thread
    then.
    """

    def __init__(
        self,
        book: Callable[[], AssistantBook],
        memory: Memory,
        now_ms: Callable[[], int],
        new_id: Callable[[int], str],
    ) -> None:
        self._book = book
        self._memory = memory
        self._now_ms = now_ms
        self._new_id = new_id

    def compose(self, asked: Asked, who: Requester, author: Author) -> Generation:
        """Raises Unsupported where the site has no assistant, NotFound for a model that is not
        its own, ModelUnavailable if none is switched on, and TooLarge for a prompt that no
        answer fits behind.
        """
        book = self._book()
        if (assistant := book.assistant(who.site, asked.stream)) is None:
            raise Unsupported("There is no assistant here.")
        model = _model(book, assistant, asked.model)
        sampling = _sampling(asked, assistant, model)
        now_ms = self._now_ms()
        return Generation(
            id=self._new_id(now_ms),
            site=who.site,
            stream=asked.stream,
            owner=author,
            session=who.session,
            ref=asked.ref,
            model=model.name,
            assistant=Author(ASSISTANT_ID, assistant.name, "assistant"),
            turns=self._turns(asked, who, assistant, model.context_tokens - sampling.max_tokens),
            judged=0 if asked.judged_before else _judged(asked.turns),
            sampling=sampling,
            on_disconnect=asked.on_disconnect,
            conversation=_kept(asked, who),
            accepted_ms=now_ms,
            deadline_ms=now_ms + assistant.wait_s * 1_000,
        )

    def remembers(self, asked: Asked, who: Requester) -> bool:
        """Whether composing may ask the memory, and so wait for it."""
        assistant = self._book().assistant(who.site, asked.stream)
        has_memory = assistant is not None and assistant.memory_tokens > 0
        return has_memory and (asked.stream is not None or _conversation(asked, who) is not None)

    def _turns(
        self, asked: Asked, who: Requester, assistant: Assistant, room: int
    ) -> tuple[Turn, ...]:
        """The site's prompt, the client's own, as much memory as fits, and what was asked."""
        systems = [turn for turn in asked.turns if turn.role == Role.SYSTEM]
        spoken = [turn for turn in asked.turns if turn.role != Role.SYSTEM]
        if spoken[-1].role is Role.USER:
            said = without_mention(spoken[-1].content, assistant.mention)
            spoken[-1] = Turn(Role.USER, said)
        if assistant.system_prompt:
            systems.insert(0, Turn(Role.SYSTEM, assistant.system_prompt))
        budget = min(assistant.memory_tokens, room - memory.tokens([*systems, *spoken]))
        remembered = self._remembered(asked, who) if budget > 0 and len(spoken) == 1 else []
        return (*systems, *memory.latest(remembered, budget), *spoken)

    def _remembered(self, asked: Asked, who: Requester) -> Sequence[Turn]:
        if asked.stream is not None:
            question = asked.turns[-1].content
            return self._memory.of_stream(who.site, asked.stream, who.user, question)
        conversation = _conversation(asked, who)
        return self._memory.of(conversation) if conversation is not None else []


def _conversation(asked: Asked, who: Requester) -> Conversation | None:
    """Where what is asked belongs to, if anywhere."""
    if asked.stream is not None or (who.api_key and not asked.conversation):
        return None
    return Conversation(who.site, who.user, who.api_key, asked.conversation)


def _kept(asked: Asked, who: Requester) -> Conversation | None:
    """Where the exchange is kept; a user's client that sends the turns itself keeps them too."""
    return _conversation(asked, who) if who.api_key or len(asked.turns) == 1 else None


def _model(book: AssistantBook, assistant: Assistant, name: str | None) -> ModelSettings:
    if name is not None and name not in assistant.models:
        raise NotFound("There is no such model here.")
    for each in [name] if name is not None else assistant.models:
        if (found := book.model(each)) is not None:
            return found
    raise ModelUnavailable("No model of the assistant is switched on.")


def _sampling(asked: Asked, assistant: Assistant, model: ModelSettings) -> Sampling:
    """What was asked for, within what the assistant and the model allow."""
    most = min(assistant.max_tokens, model.max_tokens, max(1, model.context_tokens // 2))
    # Whether fewer fit is the model's own business, which counts them.
    if memory.fewest_tokens(asked.turns) > model.context_tokens:
        raise TooLarge(f"The conversation has more than {model.context_tokens} tokens.")
    temperature = assistant.temperature if asked.temperature is None else asked.temperature
    top_p = assistant.top_p if asked.top_p is None else asked.top_p
    # No share at all leaves the likeliest token alone; some servers refuse to be asked so.
    greedy = top_p == 0
    return Sampling(
        max_tokens=min(asked.max_tokens or most, most),
        temperature=0.0 if greedy else temperature,
        top_p=1.0 if greedy else top_p,
        seed=asked.seed,
        stop=asked.stop,
    )


def _judged(turns: Sequence[Turn]) -> int:
    """How many turns at the end came from the client and are not its operator's word."""
    return sum(turn.role != Role.SYSTEM for turn in turns)
