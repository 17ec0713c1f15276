"""Tells Django about this package, and takes notice of messages that call an assistant."""

from collections.abc import Sequence

from django.apps import AppConfig

from policy.messages import Verdict


class GenerationConfig(AppConfig):
    name = "generation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connects what saving does."""
        from generation import signals  # noqa: F401


def answer(verdicts: Sequence[Verdict]) -> None:
    """A sink of verdicts: has published messages answered that call their stream's assistant."""
    from celery import current_app

    from generation.assistants_db import assistants
    from generation.triggers import answerable

    for message, asked in answerable(verdicts, assistants().assistant):
        # By name: judging workers need nothing of what answers. Where no worker takes it in time,
        # the talk has gone on, and nobody waits for an answer.
        arguments, expires_s = (message.as_json(),), asked.wait_s
        current_app.send_task(
            "generation.answer", arguments, queue="generation", retry=False, expires=expires_s
        )
