"""Assistants and their models as the admin saved them, kept in memory until one changes."""

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from generation import sealing_cryptography
from generation.assistants import Assistant, Backend, ModelSettings, Trigger
from generation.models import AssistantModelRecord, AssistantRecord
from inference.config_redis import Cached
from inference.errors import ModelUnavailable

AREA = "assistants"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assistants:
    """Implements `generation.assistants.AssistantBook`."""

    by_site: Mapping[str, Assistant]
    by_stream: Mapping[tuple[str, str], Assistant]
    models: Mapping[str, ModelSettings]

    def assistant(self, site: str, stream: str | None) -> Assistant | None:
        """The stream's assistant, else the site's."""
        site_wide = self.by_site.get(site)
        return self.by_stream.get((site, stream), site_wide) if stream is not None else site_wide

    def model(self, name: str) -> ModelSettings | None:
        """A model that is switched on."""
        return self.models.get(name)


@functools.cache
def _cached() -> Cached[Assistants]:
    return Cached(settings.RTAI_REDIS_URL, (AREA, "sites"), load)


def assistants() -> Assistants:
    """What is in force, at most half a second old; raises django.db.DatabaseError at first."""
    return _cached().refresh()


def load() -> Assistants:
    """Reads everything from the database; raises django.db.DatabaseError."""
    by_site, by_stream = {}, {}
    records = AssistantRecord.objects.filter(enabled=True).select_related("default_model")
    for record in records.prefetch_related("other_models", "site_set", "stream_set"):
        assistant = _assistant(record)
        for site in record.site_set.all():
            by_site[site.pk] = assistant
        for stream in record.stream_set.all():
            by_stream[(stream.site_id, stream.name)] = assistant
    usable = AssistantModelRecord.objects.filter(enabled=True)
    models = {record.name: found for record in usable if (found := _usable(record))}
    return Assistants(by_site, by_stream, models)


def settings_of(record: AssistantModelRecord) -> ModelSettings:
    """What a worker needs to call the model; raises ModelUnavailable for a key it cannot read."""
    return ModelSettings(
        name=record.name,
        backend=Backend(record.backend),
        base_url=record.base_url,
        upstream_model=record.upstream_model or record.name,
        api_key=sealing_cryptography.unseal(settings.RTAI_SECRETS["django"], record.sealed_key),
        context_tokens=record.context_tokens,
        max_tokens=record.max_tokens,
        connect_timeout_s=record.connect_timeout_s,
        token_timeout_s=record.token_timeout_s,
    )


def _usable(record: AssistantModelRecord) -> ModelSettings | None:
    try:
        return settings_of(record)
    except ModelUnavailable as error:
        logger.error("The model %s is left out: %s", record.name, error.detail)
        return None


def _assistant(record: AssistantRecord) -> Assistant:
    default = record.default_model.name
    others = [model.name for model in record.other_models.all() if model.name != default]
    return Assistant(
        name=record.name,
        system_prompt=record.system_prompt,
        trigger=Trigger(record.trigger),
        models=(default, *others),
        memory_tokens=record.memory_tokens,
        max_tokens=record.max_tokens,
        temperature=record.temperature,
        top_p=record.top_p,
        wait_s=record.wait_s,
    )
