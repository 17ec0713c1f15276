"""What an assistant remembers."""

import pytest
import redis

from generation import keys
from generation.memory import TURN_TOKENS, Conversation, latest, tokens
from generation.memory_redis import RedisMemory, Said, turns_of
from inference.errors import Overloaded
from inference.generator import Role, Turn
from policy.messages import Author
from policy.policy import Action
from streams.publisher_redis import RedisPublisher
from streams.removal_redis import RedisRemoval
from streams.said_redis import said_in
from tests.builders import a_message, a_verdict
from tests.streams.people import a_client

ADA, BOB = Author("1", "Ada"), Author("2", "Bob")
HELPER = Author("assistant", "Helper", "assistant")
GONE = "redis://127.0.0.1:1/0"


def user(content: str) -> Turn:
    return Turn(Role.USER, content)


@pytest.mark.parametrize(
    ("budget", "kept"), [(0, 0), (10, 0), (11, 1), (22, 2), (32, 2), (33, 3), (999, 3)]
)
def test_the_longest_end_that_fits_is_kept(budget: int, kept: int) -> None:
    turns = [user("a" * 15), user("b" * 15), user("c" * 15)]

    assert latest(turns, budget) == turns[len(turns) - kept :]


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("greetings", 3),
        ("Good day!", 5),
        ("здравствуй", 20),
        ("你好", 6),
        ("👋🏽", 8),
        ("schön", 4),
        ("{}[]", 4),
        ("a\ud800", 2),
    ],
)
def test_what_english_lacks_counts_byte_by_byte(text: str, counted: int) -> None:
    assert tokens([user(text)]) == TURN_TOKENS + counted


def test_one_persons_messages_go_without_a_name() -> None:
    said = [Said(ADA, "Hi"), Said(HELPER, "Hello."), Said(ADA, "Bye")]

    assert turns_of(said) == [user("Hi"), Turn(Role.ASSISTANT, "Hello."), user("Bye")]


def test_several_peoples_messages_go_with_their_names() -> None:
    said = [Said(ADA, "Hi"), Said(BOB, "Ho"), Said(Author("3", ""), "Hm")]

    assert turns_of(said) == [user("Ada: Hi"), user("Bob: Ho"), user("Hm")]


def test_a_message_that_is_being_answered_is_not_remembered_as_well(valkey: redis.Redis) -> None:
    memory = RedisMemory(valkey, lambda *_: [Said(ADA, "Hi"), Said(ADA, "Why?")])

    assert memory.of_stream("demo", "lobby", "1", "Why?") == [user("Hi")]
    assert memory.of_stream("demo", "lobby", "1", "How?") == [user("Hi"), user("Why?")]


def test_nor_is_it_when_others_have_spoken_since(valkey: redis.Redis) -> None:
    said = [Said(ADA, "Why?"), Said(HELPER, "So."), Said(BOB, "Why?"), Said(ADA, "Why?")]
    memory = RedisMemory(valkey, lambda *_: [*said, Said(BOB, "Hm"), Said(HELPER, "Why?")])

    found = memory.of_stream("demo", "lobby", "1", "Why?")

    assert found == turns_of([*said[:3], Said(BOB, "Hm"), Said(HELPER, "Why?")])


def test_a_private_conversation_is_read_in_order(valkey: redis.Redis) -> None:
    key = keys.conversation("demo", "1")
    valkey.rpush(key, '{"role":"user","content":"Hi"}', '{"role":"assistant","content":"Ho"}')

    memory = RedisMemory(valkey, lambda *_: [])

    assert memory.of(Conversation("demo", "1")) == [user("Hi"), Turn(Role.ASSISTANT, "Ho")]


def test_a_programs_conversations_are_apart_by_key_user_and_name(valkey: redis.Redis) -> None:
    valkey.rpush(keys.conversation("demo", "1", "k", "a:b"), '{"role":"user","content":"Hi"}')
    memory = RedisMemory(valkey, lambda *_: [])
    others = [("1", "k", "a"), ("1:a", "k", "b"), ("1", "l", "a:b"), ("2", "k", "a:b"), ("1",)]

    assert memory.of(Conversation("demo", "1", "k", "a:b")) == [user("Hi")]
    assert [memory.of(Conversation("demo", *each)) for each in others] == [[]] * 5


def test_memory_says_that_it_is_away() -> None:
    client = redis.Redis.from_url(GONE)
    memory = RedisMemory(client, lambda *asked: said_in(client, *asked))

    with pytest.raises(Overloaded):
        memory.of(Conversation("demo", "1"))
    with pytest.raises(Overloaded):
        memory.of_stream("demo", "lobby", "1", "")


async def test_a_stream_remembers_what_was_published_and_not_removed(
    valkey: redis.Redis, url: str
) -> None:
    publisher = RedisPublisher(valkey, lambda *_: (100, 600))
    texts = {"a": Action.ALLOW, "b": Action.BLOCK, "c": Action.ALLOW, "d": Action.FLAG}
    messages = {text: a_message(id=text * 32, text=text) for text in texts}
    for text, action in texts.items():
        valkey.hset(f"rtai:message:{messages[text].id}", "body", "{}")
        publisher.publish([a_verdict(action, message=messages[text])])
    await RedisRemoval(url).remove(a_client(role="moderator"), "lobby", messages["c"].id)

    found = said_in(valkey, "demo", "lobby", 64)

    assert [each.text for each in found] == ["a", "d"]
    assert found[0].author == messages["a"].author
