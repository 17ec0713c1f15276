"""The docs name what the code has: a variable, frame, code or plugin cannot go undocumented."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from inference import errors, registry
from policy.defaults import DEFAULT_POLICY
from rtai_project import environment
from streams.closes import CloseCode

DOCS = Path(__file__).resolve().parent.parent / "docs"
CLIENT_FRAMES = (
    "subscribe", "unsubscribe", "message", "remove", "typing", "generate", "cancel", "resume",
    "presence", "refresh", "pong",
)  # fmt: skip
SERVER_FRAMES = (
    "welcome", "subscribed", "accepted", "verdict", "presence", "joined", "left", "message",
    "removed", "start", "token", "done", "error", "ping", "unsubscribed", "refreshed",
)  # fmt: skip


def _codes() -> list[str]:
    found = {each.code for each in errors.RtaiError.__subclasses__()}
    return sorted(found)


def _text(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("name", sorted(environment.VARIABLES))
def test_every_variable_is_in_the_operators_table(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", _text("operate.md"), re.MULTILINE)


def test_the_operators_table_has_no_variable_that_is_gone() -> None:
    assert (
        set(re.findall(r"RTAI_[A-Z_]*[A-Z]", _text("operate.md"))) <= environment.VARIABLES.keys()
    )


@pytest.mark.parametrize("frame", sorted({*CLIENT_FRAMES, *SERVER_FRAMES}))
def test_every_frame_is_in_the_protocol(frame: str) -> None:
    assert f"`{frame}`" in _text("protocol.md")


@pytest.mark.parametrize("code", _codes())
def test_every_error_code_is_in_the_protocol(code: str) -> None:
    assert f"`{code}`" in _text("protocol.md")


@pytest.mark.parametrize("code", list(CloseCode))
def test_every_close_code_is_in_the_protocol(code: CloseCode) -> None:
    assert str(int(code)) in _text("protocol.md")


def _plugins() -> list[str]:
    found = registry.find(settings.RTAI_PLUGINS)
    return sorted((*found.plugins, *found.generators))


@pytest.mark.parametrize("plugin", _plugins())
def test_every_plugin_is_in_the_plugins_page(plugin: str) -> None:
    assert f"`{plugin}`" in _text("plugins.md")


def test_the_default_policy_is_in_the_policies_page_rule_by_rule() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| `(\w+)\.(\w+)` \| ([\d.]+) \| `(\w+)` \| `(\w+)` \|$",
                      _text("policies.md"), re.MULTILINE)  # fmt: skip
    expected = [
        (
            rule.name,
            rule.plugin,
            rule.label,
            f"{rule.threshold:g}",
            rule.action.value,
            rule.judges.value,
        )
        for rule in DEFAULT_POLICY.rules
    ]

    assert rows == expected
