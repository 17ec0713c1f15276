"""Assistants and the models that they use, over REST."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.http import HttpRequest
from ninja import Router, Status

from api.assistants_schemas_http import (
    AssistantBody,
    AssistantChange,
    AssistantModelBody,
    AssistantModelChange,
    AssistantModelOut,
    AssistantOut,
)
from api.callers_http import caller_of, must
from api.sites_http import Conflict
from generation import sealing_cryptography
from generation.faults import Draft, faults
from generation.models import AssistantModelRecord, AssistantRecord
from inference.errors import BadFrame

READ, WRITE = "assistants:read", "assistants"
router = Router()


@router.get("/assistants", response=list[AssistantOut], tags=["assistants"])
def list_assistants(request: HttpRequest) -> list[AssistantOut]:
    """All assistants; sites and streams choose one by its name."""
    caller_of(request).require(READ)
    rows = AssistantRecord.objects.select_related("default_model")
    return [_shown(row) for row in rows.prefetch_related("other_models")]


@router.post("/assistants", response={201: AssistantOut}, tags=["assistants"])
def create_assistant(request: HttpRequest, body: AssistantBody) -> Status[AssistantOut]:
    """A new assistant; it answers where a site or stream chooses it."""
    caller_of(request).require(WRITE)
    given = body.dict(exclude={"default_model", "other_models"})
    others = [_model(name) for name in body.other_models]
    row = AssistantRecord(default_model=_model(body.default_model), **given)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            row.other_models.set(others)
    except IntegrityError:
        raise Conflict(f"There is an assistant {body.name!r} already.") from None
    return Status(201, _shown(row))


@router.get("/assistants/{name}", response=AssistantOut, tags=["assistants"])
def get_assistant(request: HttpRequest, name: str) -> AssistantOut:
    """One assistant."""
    caller_of(request).require(READ)
    return _shown(_assistant(name))


@router.patch("/assistants/{name}", response=AssistantOut, tags=["assistants"])
def change_assistant(request: HttpRequest, name: str, body: AssistantChange) -> AssistantOut:
    """Changes what is given; what is null changes nothing."""
    caller_of(request).require(WRITE)
    row = _assistant(name)
    given = {key: value for key, value in body.dict().items() if value is not None}
    others = [_model(each) for each in given.pop("other_models", ())]
    if "default_model" in given:
        given["default_model"] = _model(given["default_model"])
    with transaction.atomic():
        _set(row, given)
        row.save()
        if body.other_models is not None:
            row.other_models.set(others)
    return _shown(row)


@router.delete("/assistants/{name}", response={204: None}, tags=["assistants"])
def delete_assistant(request: HttpRequest, name: str) -> Status[None]:
    """Removes an assistant; whoever chose it has none then, or a stream its site's."""
    caller_of(request).require(WRITE)
    _assistant(name).delete()
    return Status(204, None)


@router.get("/assistant-models", response=list[AssistantModelOut], tags=["assistants"])
def list_models(request: HttpRequest) -> list[AssistantModelRecord]:
    """All models that assistants may use. Keys are never shown."""
    caller_of(request).require(READ)
    return list(AssistantModelRecord.objects.all())


@router.post("/assistant-models", response={201: AssistantModelOut}, tags=["assistants"])
def create_model(request: HttpRequest, body: AssistantModelBody) -> Status[AssistantModelRecord]:
    """A new model; a server's key is stored encrypted and never shown."""
    caller_of(request).require(WRITE)
    row = AssistantModelRecord(**body.dict(exclude={"api_key"}))
    _check(row, body.api_key)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict(f"There is a model {body.name!r} already.") from None
    return Status(201, row)


# A model's name may have slashes in it.
@router.get("/assistant-models/{path:name}", response=AssistantModelOut, tags=["assistants"])
def get_model(request: HttpRequest, name: str) -> AssistantModelRecord:
    """One model."""
    caller_of(request).require(READ)
    return _model(name)


@router.patch("/assistant-models/{path:name}", response=AssistantModelOut, tags=["assistants"])
def change_model(
    request: HttpRequest, name: str, body: AssistantModelChange
) -> AssistantModelRecord:
    """Changes what is given; `"api_key": null` forgets the key.

    A stored key stays with its server: for another one, its own key must be given. What is no
    server any more loses its key.
    """
    caller_of(request).require(WRITE)
    row = _model(name)
    given = body.dict(exclude_unset=True)
    if "api_key" in given:
        row.sealed_key = ""
    kept_of = row.base_url if row.sealed_key else None
    key = given.pop("api_key", None) or ""
    _set(row, {name: value for name, value in given.items() if value is not None})
    _check(row, key, kept_of)
    row.save()
    return row


@router.delete("/assistant-models/{path:name}", response={204: None}, tags=["assistants"])
def delete_model(request: HttpRequest, name: str) -> Status[None]:
    """Removes a model; not while it is an assistant's default."""
    caller_of(request).require(WRITE)
    row = _model(name)
    try:
        row.delete()
    except ProtectedError:
        raise Conflict(f"An assistant has {name!r} as its default; choose another there.") from None
    return Status(204, None)


def _check(row: AssistantModelRecord, key: str, kept_of: str | None = None) -> None:
    """Seals a new key, and forgets that of what is no server any more.

    Raises BadFrame for what the admin would not save either.
    """
    draft = Draft(row.backend, row.base_url, row.max_tokens, row.context_tokens, key, kept_of)
    try:
        row.clean_fields()
    except ValidationError as error:
        _refuse((field, " ".join(said)) for field, said in error.message_dict.items())
    _refuse(faults(draft))
    if not draft.is_server:
        row.sealed_key = ""
    if key:
        row.sealed_key = sealing_cryptography.seal(settings.RTAI_SECRETS["django"], key)


def _refuse(found: Iterable[tuple[str, str]]) -> None:
    if said := "; ".join(f"{field}: {what}" for field, what in found):
        raise BadFrame(said)


def _set(row: AssistantRecord | AssistantModelRecord, given: dict[str, Any]) -> None:
    for name, value in given.items():
        setattr(row, name, value)


def _assistant(name: str) -> AssistantRecord:
    rows = AssistantRecord.objects.select_related("default_model").filter(name=name)
    return must(rows.first(), f"assistant {name!r}")


def _model(name: str) -> AssistantModelRecord:
    return must(AssistantModelRecord.objects.filter(name=name).first(), f"model {name!r}")


def _shown(row: AssistantRecord) -> AssistantOut:
    return AssistantOut(
        default_model=row.default_model.name,
        other_models=[model.name for model in row.other_models.all()],
        **{name: getattr(row, name) for name in _PLAIN},
    )


_PLAIN = (
    "name", "system_prompt", "trigger", "memory_tokens", "max_tokens", "temperature", "top_p",
    "wait_s", "enabled",
)  # fmt: skip
