"""Lines in, judged lines out: the same scores and decisions as live, without a server.

Every line in gives one line out, in order; one that is not valid gives an error in its place.
"""

import codecs
import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO, Protocol

from inference.attribution import explain
from inference.lines import MAX_LINE_BYTES
from inference.lines import lines as raw_lines
from inference.types import Scores
from policy.messages import full_reasons
from policy.policy import Action, Decision, Policy, decide
from policy.whys import targets

MAX_TEXT = 10_000
MAX_ID = 256
BATCH = 64
FIRST_LINES = 32
"""How far to look for a JSON object before a file counts as plain lines."""
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read; `content` is None where it is longer than any valid one."""

    number: int
    content: bytes | None
    json: bool
    size: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A line to write, the bytes that were read for it, and whether it is an error."""

    text: str
    size: int
    failed: bool


class BadLine(ValueError):
    """A line that cannot be judged: its id where known, a code and what is wrong."""

    def __init__(self, id: object, code: str, detail: str) -> None:
        super().__init__(detail)
        self.id, self.code, self.detail = id, code, detail


class Scorer(Protocol):
    """All loaded plugins at once; see `inference.scoring`."""

    def score(self, texts: Sequence[str]) -> list[Scores]: ...

    def only(self, plugins: Collection[str]) -> "Scorer": ...


def read(file: BinaryIO) -> Iterator[Line]:
    """The file's lines; JSON lines if one of the first is an object, else plain ones."""
    raw = raw_lines(file)
    first: list[bytes | None] = []
    sizes: list[int] = []
    json_lines = False
    for content, size in islice(raw, FIRST_LINES):
        first.append(content)
        sizes.append(size)
        if json_lines := content is not None and _is_object(content):
            break
    lines = chain(zip(first, sizes, strict=True), raw)
    for number, (content, size) in enumerate(lines, start=1):
        if number == 1 and content is not None:
            content = content.removeprefix(codecs.BOM_UTF8)
        yield Line(number, content, json_lines, size)


def batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines in groups that are judged together."""
    lines = iter(lines)
    while batch := list(islice(lines, BATCH)):
        yield batch


@dataclass(frozen=True, slots=True)
class Judge:
    """What judges lines: scores, a policy, and whether the words that drove a flag are named."""

    scorer: Scorer
    policy: Policy
    why: bool = False


def prepare(build: Callable[[], Scorer], policy: Policy, why: bool) -> Judge:
    """Loads the models in the process that calls it."""
    return Judge(build(), policy, why)


def judge(lines: Sequence[Line], by: Judge) -> list[Judged]:
    """One judged line for each line, in order."""
    parsed = [_try_parse(line) for line in lines]
    scores = iter(by.scorer.score([each[1] for each in parsed if not isinstance(each, BadLine)]))
    return [
        _failure(line, found)
        if isinstance(found, BadLine)
        else _success(line, found, next(scores), by)
        for line, found in zip(lines, parsed, strict=True)
    ]


def in_order(
    batches: Iterable[list[Line]],
    judge: Callable[[list[Line]], list[Judged]],
    executor: Executor,
    limit: int,
) -> Iterator[list[Judged]]:
    """The batches judged by an executor, in order, with at most `limit` in memory at once."""
    under_way: deque[Future[list[Judged]]] = deque()
    for batch in batches:
        under_way.append(executor.submit(judge, batch))
        if len(under_way) >= limit:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


_here: Judge | None = None
"""What a process that judges for another one holds."""


def start_process(build: Callable[[], Judge]) -> None:
    """Loads the models in a process that judges for another one."""
    global _here
    _here = build()


def judge_here(lines: Sequence[Line]) -> list[Judged]:
    """Judges with what `start_process` loaded."""
    if _here is None:
        raise RuntimeError("This process was not started with start_process.")
    return judge(lines, _here)


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _try_parse(line: Line) -> tuple[object, str] | BadLine:
    try:
        return _parse(line)
    except BadLine as error:
        return error


def _parse(line: Line) -> tuple[object, str]:
    """A line's id and text; raises BadLine."""
    id: object = None if line.json else str(line.number)
    if line.content is None:
        raise BadLine(id, "too_large", f"line {line.number} has over {MAX_LINE_BYTES} bytes")
    try:
        content = line.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLine(id, "bad_frame", f"line {line.number} is not UTF-8: {error}") from None
    text: object = content
    if line.json:
        id, text = _fields(content, line.number)
    return id, _check_text(id, text, line.number)


def _fields(content: str, number: int) -> tuple[object, object]:
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadLine(None, "bad_frame", f"line {number} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadLine(None, "bad_frame", f"line {number} is not an object")
    id = found.get("id")
    if not _is_id(id):
        detail = f"line {number}: id must be a number or a text of 1 to {MAX_ID} characters"
        raise BadLine(None, "bad_frame", detail)
    return id, found.get("text")


def _is_id(id: object) -> bool:
    if isinstance(id, str):
        return 0 < len(id) <= MAX_ID
    return isinstance(id, int) and not isinstance(id, bool)


def _check_text(id: object, text: object, number: int) -> str:
    if not isinstance(text, str):
        raise BadLine(id, "bad_frame", f"line {number}: text must be a text")
    if not text:
        raise BadLine(id, "bad_frame", f"line {number} has no text")
    if len(text) > MAX_TEXT:
        detail = f"line {number} has {len(text)} characters, at most {MAX_TEXT} are allowed"
        raise BadLine(id, "too_large", detail)
    return text


def _failure(line: Line, error: BadLine) -> Judged:
    body = {"id": error.id, "error": {"code": error.code, "detail": error.detail}}
    return Judged(json.dumps(body), line.size, failed=True)


def _success(line: Line, found: tuple[object, str], scores: Scores, by: Judge) -> Judged:
    id, text = found
    if not scores.by_plugin:
        reasons = "; ".join(f"{name}: {why}" for name, why in scores.failures.items())
        return _failure(line, BadLine(id, "model_unavailable", reasons or "no plugin is loaded"))
    decision = decide(scores, by.policy)
    body = {
        "id": id,
        "action": decision.action.value,
        "reasons": full_reasons(decision.reasons),
        "scores": {
            plugin: {label: round(value, DIGITS) for label, value in labels.items()}
            for plugin, labels in scores.by_plugin.items()
        },
        "models": dict(scores.models),
    }
    if by.why and decision.action is not Action.ALLOW:
        body["why"] = _why(text, decision, by.scorer)
    if scores.failures:
        body["failures"] = dict(scores.failures)
    if scores.low_confidence:
        body["low_confidence"] = True
    return Judged(json.dumps(body), line.size, failed=False)


def _why(text: str, decision: Decision, scorer: Scorer) -> list[dict[str, Any]]:
    asked = targets(decision)
    score = scorer.only({each.plugin for each in asked}).score
    found = explain(text, asked, score)
    return [{"label": each.label, "start": each.start, "end": each.end} for each in found]
