"""Which assistant answers, over REST."""

from collections.abc import Callable

import pytest

from generation.models import AssistantModelRecord, AssistantRecord
from streams.models import ApiKey
from tests.api.conftest import Call

pytestmark = pytest.mark.database


@pytest.fixture
def helper(make_key: Callable[..., ApiKey]) -> AssistantRecord:
    make_key(["*"])
    AssistantRecord.objects.all().delete()
    model, _ = AssistantModelRecord.objects.get_or_create(name="chat-mini")
    return AssistantRecord.objects.create(name="Helper", default_model=model)


def test_a_site_and_a_stream_choose_their_assistant_and_give_it_up(
    helper: AssistantRecord, call: Call
) -> None:
    for path in ("/api/v1/sites/shop", "/api/v1/streams/lobby?site=shop"):
        assert call("patch", path, {"assistant": "Helper"}).data["assistant"] == "Helper"
        assert call("patch", path, {"active": True}).data["assistant"] == "Helper"
        assert call("patch", path, {"assistant": None}).data["assistant"] is None


def test_a_new_site_and_a_new_stream_may_begin_with_one(
    helper: AssistantRecord, call: Call
) -> None:
    site = call("post", "/api/v1/sites", {"slug": "blog", "name": "Blog", "assistant": "Helper"})
    stream = call("post", "/api/v1/streams", {"name": "a", "site": "blog", "assistant": "Helper"})

    assert (site.data["assistant"], stream.data["assistant"]) == ("Helper", "Helper")


@pytest.mark.parametrize(
    ("name", "status"), [("Nobody", 404), ("", 422), ("x" * 33, 422), (7, 422)]
)
def test_an_assistant_that_does_not_exist_cannot_be_chosen(
    helper: AssistantRecord, call: Call, name: object, status: int
) -> None:
    assert call("patch", "/api/v1/sites/shop", {"assistant": name}).status_code == status
