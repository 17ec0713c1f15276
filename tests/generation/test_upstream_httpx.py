"""Asking a real server of chat completions: streaming, stopping, and all that goes wrong."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from generation.assistants import Backend, ModelSettings
from generation.lines_httpx import Lines
from generation.upstream_httpx import Upstream
from inference.errors import ModelUnavailable, Overloaded, RtaiError, TooLarge
from inference.generator import Cancellation, Ended, Finish, Piece, Prompt, Role, Sampling, Turn
from tests.generation.model_server import DONE, EVENTS, Remote, Script, Seen, event, running
from tests.inference import small_decoders
from tests.inference.small_decoders import prompt, text_of, written

WAIT_S = 20.0
PATIENCE_S = 4.0
"""Less than the time that connecting may take by default."""
KEY = "sk-very-secret-key-0123456789"
VLLM_TOO_LONG = (
    '{"error": {"code": 400, "type": "BadRequestError", "param": null, "message": '
    '"This model\'s maximum context length is 256 tokens. However, you requested 300 tokens."}}'
)
HELLO = event("Hel"), event("lo"), event(None, "stop"), DONE


@pytest.fixture(scope="module")
def process() -> Iterator[Remote]:
    with running() as remote:
        yield remote


@pytest.fixture
def server(process: Remote) -> Remote:
    """The server, of which only what it sees from here on counts."""
    return process


def settings(server: Remote, **changes: Any) -> ModelSettings:
    found: dict[str, Any] = {
        "name": "babble",
        "backend": Backend.OPENAI,
        "base_url": server.url,
        "upstream_model": "babble-1",
        "api_key": KEY,
        "context_tokens": 256,
    }
    return ModelSettings(**(found | changes))


class Pauses:
    """Remembers how long was to be waited, and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, cancelled: threading.Event, seconds: float) -> None:
        self.seconds.append(seconds)


def upstream(server: Remote, pauses: Pauses | None = None, **changes: Any) -> Upstream:
    return Upstream(settings(server, **changes), pause=pauses or Pauses(), dice=lambda: 0.5)


def answer(found: Upstream, **sampling: Any) -> tuple[str, Ended]:
    return written(found.generate(prompt(**sampling), Cancellation()))


def since(server: Remote, before: Seen) -> list[dict[str, Any]]:
    return server.seen().requests[len(before.requests) :]


def wait_until(found: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not found():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def test_an_answer_comes_as_the_servers_own_model_writes_it(server: Remote, tmp_path: Path) -> None:
    own = small_decoders.engine(small_decoders.version(tmp_path))

    found = answer(upstream(server))

    assert found == small_decoders.answer(own, prompt())


def test_what_is_asked_arrives_as_the_protocol_wants_it(server: Remote) -> None:
    before = server.seen()
    answer(upstream(server), stop=("zz",), top_p=0.5)

    (asked,) = since(server, before)

    assert asked["path"] == "/v1/chat/completions"
    assert asked["headers"]["authorization"] == f"Bearer {KEY}"
    assert asked["headers"]["accept-encoding"] == "identity"
    assert asked["body"] == {
        "model": "babble-1",
        "messages": [{"role": "user", "content": "hello there"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 24,
        "temperature": 0.9,
        "top_p": 0.5,
        "seed": 7,
        "stop": ["zz"],
    }


def test_neighbours_of_one_role_arrive_as_one_turn(server: Remote) -> None:
    before = server.seen()
    said = (
        (Role.SYSTEM, "Be kind."),
        (Role.SYSTEM, "Rhyme."),
        (Role.USER, "Ada: Hello."),
        (Role.USER, "Bob: Hi!"),
        (Role.ASSISTANT, "Good day."),
        (Role.USER, "Who are you?"),
    )
    turns = tuple(Turn(role, content) for role, content in said)

    written(upstream(server).generate(Prompt(turns, Sampling(8)), Cancellation()))

    (asked,) = since(server, before)
    assert [(each["role"], each["content"]) for each in asked["body"]["messages"]] == [
        ("system", "Be kind.\n\nRhyme."),
        ("user", "Ada: Hello.\n\nBob: Hi!"),
        ("assistant", "Good day."),
        ("user", "Who are you?"),
    ]


def test_answers_one_after_the_other_share_a_connection(server: Remote) -> None:
    before = server.seen()
    found = upstream(server)

    for _ in range(5):
        answer(found)

    assert server.seen().connections == before.connections + 1


def test_a_server_that_does_not_come_to_an_end_loses_its_connection(server: Remote) -> None:
    before = server.seen()
    server.script(Script(HELLO, hang="after"))

    assert answer(upstream(server))[0] == "Hello"
    wait_until(lambda: server.seen().gone == before.gone + 1)


def test_many_answers_at_once_have_a_connection_each(server: Remote) -> None:
    found = upstream(server)
    seeds = range(12)
    expected = [answer(found, seed=seed) for seed in seeds]

    with ThreadPoolExecutor(len(seeds)) as pool:
        together = list(pool.map(lambda seed: answer(found, seed=seed), seeds))

    assert together == expected


@pytest.mark.parametrize("hang", ["before", "after"])
def test_cancelling_closes_the_connection_at_once(server: Remote, hang: str) -> None:
    before = server.seen()
    server.script(Script(HELLO[:2] if hang == "after" else (), hang=hang))
    cancellation = Cancellation()
    found = upstream(server).generate(prompt(), cancellation)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, found)
        wait_until(lambda: len(since(server, before)) == 1)
        cancellation.cancel()
        pieces = reading.result(WAIT_S)

    assert text_of(pieces) in ("", "Hel", "Hello")
    assert not any(isinstance(each, Ended) for each in pieces)
    wait_until(lambda: server.seen().gone == before.gone + 1)


def test_cancelling_stops_the_servers_model(server: Remote) -> None:
    cancellation = Cancellation()
    found = upstream(server).generate(prompt(max_tokens=240), cancellation)

    next(found)
    cancellation.cancel()

    assert not any(isinstance(each, Ended) for each in found)
    wait_until(lambda: server.seen().writing == 0)


def test_a_reader_that_leaves_closes_the_connection(server: Remote) -> None:
    before = server.seen()
    server.script(Script(HELLO[:2], hang="after"))
    found = upstream(server).generate(prompt(), Cancellation())

    assert next(found) == Piece("Hel")
    found.close()  # type: ignore[attr-defined]

    wait_until(lambda: server.seen().gone == before.gone + 1)


def test_cancelling_an_answer_that_ended_harms_no_other_on_its_connection(server: Remote) -> None:
    found, first = upstream(server), Cancellation()
    list(found.generate(prompt(), first))
    server.script(Script(HELLO))

    second = found.generate(prompt(), Cancellation())
    assert next(second) == Piece("Hel")
    first.cancel()

    assert text_of(list(second)) == "lo"


def test_cancelled_before_it_began_nothing_is_asked(server: Remote) -> None:
    before = server.seen()
    cancellation = Cancellation()
    cancellation.cancel()

    assert list(upstream(server).generate(prompt(), cancellation)) == []
    assert since(server, before) == []


def test_cancelling_ends_the_wait_for_another_attempt(server: Remote) -> None:
    before = server.seen()
    server.script(Script(status=503), Script(status=503))
    cancellation = Cancellation()

    def pause(cancelled: threading.Event, seconds: float) -> None:
        cancellation.cancel()
        assert cancelled.wait(WAIT_S)

    found = Upstream(settings(server), pause=pause)

    assert list(found.generate(prompt(), cancellation)) == []
    assert len(since(server, before)) == 1
    server.script()
    answer(upstream(server))  # Takes the script that is left.


def test_a_full_server_is_asked_again_when_it_says(server: Remote) -> None:
    before, pauses = server.seen(), Pauses()
    server.script(
        Script(status=429, headers={"retry-after": "3"}), Script(status=503), Script(HELLO)
    )

    text, ended = answer(upstream(server, pauses))

    assert (text, ended.finish) == ("Hello", Finish.STOP)
    assert pauses.seconds == [3.0, 0.5]
    assert len(since(server, before)) == 3


@pytest.mark.parametrize(
    ("scripts", "error", "said"),
    [
        pytest.param([Script(status=503)] * 3, ModelUnavailable, "503", id="always 503"),
        pytest.param([Script(status=500)], ModelUnavailable, "status 500", id="fails"),
        pytest.param([Script(status=401)], ModelUnavailable, "accept the key", id="wrong key"),
        pytest.param([Script(status=404)], ModelUnavailable, "not know", id="unknown model"),
        pytest.param([Script(status=413)], TooLarge, "too long", id="too large"),
        pytest.param(
            [Script(status=302, headers={"location": "http://127.0.0.1:9/"})],
            ModelUnavailable,
            "redirects",
            id="redirect",
        ),
        pytest.param(
            [Script(['{"error": {"code": "context_length_exceeded"}}'], status=400)],
            TooLarge,
            "too long",
            id="context exceeded",
        ),
        pytest.param(
            [Script(['{"error": {"code": 400, "type": "exceed_context_size_error"}}'], status=400)],
            TooLarge,
            "too long",
            id="context exceeded, as llama.cpp says it",
        ),
        pytest.param(
            [Script([VLLM_TOO_LONG], status=400)],
            TooLarge,
            "too long",
            id="context exceeded, as vLLM says it",
        ),
        pytest.param(
            [Script([f'{{"error": {{"code": "bad", "message": "{KEY}"}}}}'], status=400)],
            ModelUnavailable,
            r"status 400 \(bad\)",
            id="bad request",
        ),
        pytest.param([Script(["x" * 100_000], status=400)], ModelUnavailable, "400", id="long"),
        pytest.param(
            [Script(["{}"], headers={"content-type": "application/json"})],
            ModelUnavailable,
            "stream of events",
            id="no stream",
        ),
        pytest.param(
            [Script(["x"], headers={**EVENTS, "content-encoding": "gzip"})],
            ModelUnavailable,
            "compresses",
            id="compressed",
        ),
    ],
)
def test_a_refusal_is_told_in_our_own_words(
    server: Remote, scripts: list[Script], error: type[RtaiError], said: str
) -> None:
    before = server.seen()
    server.script(*scripts)

    with pytest.raises(error, match=said) as caught:
        answer(upstream(server))

    assert KEY not in str(caught.value)
    assert len(since(server, before)) == len(scripts)


def test_a_server_that_wants_too_much_patience_is_not_waited_for(server: Remote) -> None:
    pauses = Pauses()
    server.script(Script(status=429, headers={"retry-after": "60"}))

    with pytest.raises(Overloaded) as caught:
        answer(upstream(server, pauses))

    assert caught.value.retry_after_ms == 60_000
    assert pauses.seconds == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(["data: {nonsense\n\n"], "not JSON", id="no JSON"),
        pytest.param([f"data: {'[' * 5000}\n\n"], "not JSON", id="nested deeply"),
        pytest.param(["data: \xff\xfe\n\n"], "not JSON", id="no UTF-8"),
        pytest.param(["data: 7\n\n"], "not an object", id="a number"),
        pytest.param(['data: {"id": 1}\n\n'], "without choices", id="no choices"),
        pytest.param(['data: {"choices": {}}\n\n'], "without choices", id="choices of a kind"),
        pytest.param(['data: {"choices": [7]}\n\n'], "without a delta", id="a choice of a kind"),
        pytest.param(['data: {"choices": [{"delta": 7}]}\n\n'], "a delta", id="delta of a kind"),
        pytest.param([event(7)], "wrong type", id="content is a number"),
        pytest.param([event("a", 7)], "wrong type", id="reason is a number"),  # type: ignore[arg-type]
        pytest.param(['data: {"error": {"message": "x"}}\n\n'], "middle", id="an error"),
        pytest.param([event("a"), event("b")], "without a reason", id="no reason"),
        pytest.param([], "without a reason", id="nothing"),
        pytest.param(["data: " + "x" * 1_100_000], "a line over", id="a long line"),
        pytest.param([event("x" * 900_000)] * 20, "more than", id="a long answer"),
    ],
)
def test_a_malformed_stream_fails_and_is_not_asked_for_again(
    server: Remote, parts: list[str], said: str
) -> None:
    before = server.seen()
    server.script(Script(parts))

    with pytest.raises(ModelUnavailable, match=said) as caught:
        answer(upstream(server))

    assert caught.value.retryable
    assert len(caught.value.detail) < 120
    assert len(since(server, before)) == 1


def test_a_server_that_dies_before_the_first_token_is_asked_again(server: Remote) -> None:
    before = server.seen()
    server.script(Script([": hello\n\n"], reset=True), Script(HELLO))

    assert answer(upstream(server))[0] == "Hello"
    assert len(since(server, before)) == 2


def test_a_server_that_dies_in_mid_answer_is_not(server: Remote) -> None:
    before = server.seen()
    server.script(Script(HELLO[:2], reset=True))
    pieces: list[Piece | Ended] = []

    with pytest.raises(ModelUnavailable, match="broke off"):
        pieces.extend(upstream(server).generate(prompt(), Cancellation()))

    assert len(since(server, before)) == 1


def test_what_came_before_a_server_died_was_shown(server: Remote) -> None:
    server.script(Script(HELLO[:2], reset=True))
    found = upstream(server).generate(prompt(), Cancellation())

    assert [next(found), next(found)] == [Piece("Hel"), Piece("lo")]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script(hang="before"), id="no answer"),
        pytest.param(Script(HELLO[:1], hang="after"), id="no next token"),
        pytest.param(Script([": still here\n\n"], drip=True), id="only signs of life"),
        pytest.param(Script([*HELLO[:1], "data: "], drip=True), id="no end of a line"),
    ],
)
def test_a_server_that_takes_too_long_fails_and_is_let_go(server: Remote, script: Script) -> None:
    before = server.seen()
    server.script(script)

    with pytest.raises(ModelUnavailable, match="too long for its next token"):
        answer(upstream(server, token_timeout_s=0.3))

    wait_until(lambda: server.seen().gone == before.gone + 1)
    assert len(since(server, before)) == 1


def test_the_time_that_a_reader_takes_is_not_the_servers(server: Remote) -> None:
    now = 0.0
    server.script(Script(HELLO))
    found = Upstream(settings(server), clock=lambda: now).generate(prompt(), Cancellation())

    assert next(found) == Piece("Hel")
    now = 1_000.0

    assert text_of(list(found)) == "lo"


def test_a_refusal_that_comes_in_drips_is_not_waited_for(server: Remote) -> None:
    server.script(Script(["x"], status=400, drip=True))

    with pytest.raises(ModelUnavailable, match="status 400"):
        answer(upstream(server, token_timeout_s=0.3))


@contextmanager
def never_answering(queue: int, waiting: int) -> Iterator[str]:
    """The address of a socket that takes so many connections into its queue, and that so many
    already ask for; nobody takes them out of it."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=queue))
        address = listening.getsockname()
        for _ in range(waiting):
            early = opened.enter_context(socket.socket())
            early.setblocking(False)
            early.connect_ex(address)
        yield f"127.0.0.1:{address[1]}"


@pytest.mark.parametrize(
    ("scheme", "queue", "waiting"),
    [pytest.param("http", 0, 8, id="no connection"), pytest.param("https", 8, 0, id="no TLS")],
)
def test_a_server_that_does_not_let_in_is_given_up_in_time(
    scheme: str, queue: int, waiting: int
) -> None:
    pauses = Pauses()
    with never_answering(queue, waiting) as address:
        found = upstream(Remote(f"{scheme}://{address}"), pauses, connect_timeout_s=0.2)
        began = time.monotonic()

        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            answer(found)

    assert 0.6 <= time.monotonic() - began < 0.6 + PATIENCE_S
    assert pauses.seconds == [0.25, 0.5]


def test_a_server_that_is_not_there_is_tried_three_times() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Remote(f"http://127.0.0.1:{taken.getsockname()[1]}")
        pauses = Pauses()

        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            answer(upstream(nobody, pauses))

    assert pauses.seconds == [0.25, 0.5]


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "ftp://example.org"},
        {"base_url": "not a url"},
        {"api_key": "line\nbreak " + KEY},
        {"api_key": "ümlaut " + KEY},
    ],
)
def test_settings_that_cannot_be_right_say_so_without_the_key(
    server: Remote, changes: dict[str, Any]
) -> None:
    with pytest.raises(ModelUnavailable, match="not valid") as caught:
        answer(upstream(server, **changes))

    assert KEY not in str(caught.value)


def test_the_key_is_in_no_log_and_no_repr(server: Remote, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found = upstream(server)

    answer(found)

    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in repr(settings(server)) + repr(found) + repr(found.__dict__)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", Finish.STOP),
        ("length", Finish.LENGTH),
        ("content_filter", Finish.BLOCKED),
        ("tool_calls", Finish.STOP),
        ("eos", Finish.STOP),
    ],
)
def test_reasons_are_translated(server: Remote, reason: str, finish: Finish) -> None:
    server.script(Script([event("a"), event(None, reason), DONE]))

    assert answer(upstream(server))[1].finish is finish


@pytest.mark.parametrize(
    ("last", "counts"),
    [
        pytest.param(
            'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9}}\n\n',
            (5, 9),
            id="counted",
        ),
        pytest.param("", (7, 2), id="estimated"),
        pytest.param(
            'data: {"choices": [], "usage": {"prompt_tokens": -5, "completion_tokens": "9"}}\n\n',
            (7, 2),
            id="nonsense",
        ),
    ],
)
def test_usage_is_the_servers_or_an_estimate(
    server: Remote, last: str, counts: tuple[int, int]
) -> None:
    server.script(Script([*HELLO[:3], last, DONE]))

    _, ended = answer(upstream(server))

    assert (ended.prompt_tokens, ended.completion_tokens) == counts


def test_an_answer_without_done_but_with_a_reason_is_whole(server: Remote) -> None:
    server.script(Script(HELLO[:3]))

    assert answer(upstream(server))[0] == "Hello"


def test_events_are_read_however_they_are_cut(server: Remote) -> None:
    whole = ": comment\r\nevent: x\r\n" + "".join(HELLO).replace("\n", "\r\n")
    server.script(Script(list(whole)))

    assert answer(upstream(server))[0] == "Hello"


def test_halves_of_a_character_are_joined(server: Remote) -> None:
    server.script(
        Script([event("a\ud83d"), event("\ude00b"), event("\ude00"), event("c\ud83d", "stop")])
    )
    pieces = list(upstream(server).generate(prompt(), Cancellation()))

    assert pieces[:-1] == [Piece("a"), Piece("😀b"), Piece("\ufffd"), Piece("c")]


def test_a_server_that_calls_the_limit_otherwise_is_asked_so(server: Remote) -> None:
    before = server.seen()
    refusal = '{"error": {"code": "unsupported_parameter", "param": "max_tokens"}}'
    server.script(Script([refusal], status=400), Script(HELLO), Script(HELLO))
    found = upstream(server)

    assert answer(found)[0] == answer(found)[0] == "Hello"
    bodies = [each["body"] for each in since(server, before)]
    assert [body.get("max_tokens") for body in bodies] == [24, None, None]
    assert [body.get("max_completion_tokens") for body in bodies] == [None, 24, 24]


def test_a_prompt_that_cannot_fit_does_not_travel(server: Remote) -> None:
    before = server.seen()

    with pytest.raises(TooLarge, match="may have 256"):
        upstream(server).generate(prompt("x" * 1_000_000), Cancellation())

    assert since(server, before) == []


def test_a_prompts_tokens_are_estimated(server: Remote) -> None:
    found = upstream(server)

    assert found.count_tokens([]) == 0
    assert found.count_tokens([Turn(Role.USER, "x" * 400)]) == 105
    assert (found.version, found.context_tokens) == ("babble-1", 256)


def test_lines_that_were_cut_are_not_used_again() -> None:
    lines = Lines()
    with lines.lease() as first:
        first.cut()
    with lines.lease() as second:
        assert second.line is not first.line
    with lines.lease() as third:
        assert third.line is second.line
        first.cut()
        assert not third.line.is_cut
