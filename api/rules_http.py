"""What all sites share, over REST: policies with their rules, rate limits, model versions."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router, Status

from api.callers_http import caller_of, must
from api.schemas_http import (
    LimitBody,
    LimitOut,
    ModelOut,
    PolicyBody,
    PolicyChange,
    PolicyOut,
    RuleBody,
    RuleOut,
)
from api.sites_http import Conflict
from inference import versions_db
from inference.errors import BadFrame
from inference.models import ModelVersionRecord
from policy import policies_db
from policy.models import PolicyRecord, RuleRecord
from policy.rule_checks import doubt
from streams import limits_db
from streams.limits import BadLimit, check, check_name
from streams.models import RateLimit

router = Router()


@router.get("/policies", response=list[PolicyOut], tags=["policies"])
def list_policies(request: HttpRequest) -> list[PolicyOut]:
    """All policies with their rules."""
    caller_of(request).require("policies:read")
    return [_shown(row) for row in PolicyRecord.objects.prefetch_related("rules")]


@router.post("/policies", response={201: PolicyOut}, tags=["policies"])
def create_policy(request: HttpRequest, body: PolicyBody) -> Status[PolicyOut]:
    """A new policy; a new default one replaces the old default."""
    caller_of(request).require("policies")
    try:
        with transaction.atomic():
            policies_db.change_alone()
            row = PolicyRecord.objects.create(name=body.name, fail_mode=body.fail_mode)
            _replace_rules(row, body.rules)
            _make_default(row, is_default=body.is_default)
    except IntegrityError:
        raise Conflict(f"There is a policy {body.name!r} already.") from None
    return Status(201, _shown(row))


@router.get("/policies/{name}", response=PolicyOut, tags=["policies"])
def get_policy(request: HttpRequest, name: str) -> PolicyOut:
    """One policy with its rules."""
    caller_of(request).require("policies:read")
    return _shown(_policy(name))


@router.patch("/policies/{name}", response=PolicyOut, tags=["policies"])
def change_policy(request: HttpRequest, name: str, body: PolicyChange) -> PolicyOut:
    """Changes what is given; every change gives the policy a new version."""
    caller_of(request).require("policies")
    with transaction.atomic():
        policies_db.change_alone()
        row = _policy(name)
        if body.fail_mode is not None:
            row.fail_mode = body.fail_mode
            row.save()
        if body.rules is not None:
            _replace_rules(row, body.rules)
        _make_default(row, is_default=bool(body.is_default))
        return _shown(_policy(name))


@router.delete("/policies/{name}", response={204: None}, tags=["policies"])
def delete_policy(request: HttpRequest, name: str) -> Status[None]:
    """Removes a policy; its streams then follow the default one."""
    caller_of(request).require("policies")
    with transaction.atomic():
        policies_db.change_alone()
        row = _policy(name)
        if row.is_default:
            raise Conflict("The default policy cannot be removed; make another the default first.")
        row.delete()
    return Status(204, None)


@router.get("/limits", response=list[LimitOut], tags=["limits"])
def list_limits(request: HttpRequest) -> list[LimitOut]:
    """All limits; one that is not here does not limit."""
    caller_of(request).require("limits:read")
    return [_limit(row) for row in RateLimit.objects.all()]


@router.get("/limits/{name}", response=LimitOut, tags=["limits"])
def get_limit(request: HttpRequest, name: str) -> LimitOut:
    """One limit."""
    caller_of(request).require("limits:read")
    return _limit(_row(name))


@router.put("/limits/{name}", response=LimitOut, tags=["limits"])
def set_limit(request: HttpRequest, name: str, body: LimitBody) -> LimitOut:
    """Sets a limit; it is in force with the answer, `accepts` and `sockets` a second later."""
    caller_of(request).require("limits")
    try:
        rate = check(name, body.rate)
    except BadLimit as error:
        raise BadFrame(f"{error}.") from None
    with transaction.atomic():
        limits_db.store(name, rate)
        if not body.enabled:
            limits_db.turn_off(name)
    return _limit(_row(name))


@router.delete("/limits/{name}", response={204: None}, tags=["limits"])
def lift_limit(request: HttpRequest, name: str) -> Status[None]:
    """Lifts a limit; it is no longer in force with the answer, or as above."""
    caller_of(request).require("limits")
    _row(name).delete()
    return Status(204, None)


@router.get("/models", response=list[ModelOut], tags=["models"])
def list_models(request: HttpRequest) -> list[ModelVersionRecord]:
    """All model versions."""
    caller_of(request).require("models:read")
    return list(ModelVersionRecord.objects.all())


@router.post("/models/{name}/{version}/activate", response=ModelOut, tags=["models"])
def activate_model(request: HttpRequest, name: str, version: str) -> ModelVersionRecord:
    """Makes this version judge; the one before is retired."""
    caller_of(request).require("models")
    return versions_db.activate(f"{name}@{version}", settings.RTAI_REDIS_URL)


@router.post("/models/{name}/{version}/retire", response=ModelOut, tags=["models"])
def retire_model(request: HttpRequest, name: str, version: str) -> ModelVersionRecord:
    """Ends this version's life; not while it is active."""
    caller_of(request).require("models")
    return versions_db.retire(f"{name}@{version}", settings.RTAI_REDIS_URL)


def _policy(name: str) -> PolicyRecord:
    return must(PolicyRecord.objects.filter(name=name).first(), f"policy {name!r}")


def _replace_rules(row: PolicyRecord, rules: list[RuleBody]) -> None:
    for rule in rules:
        if wrong := doubt(rule.plugin, rule.label, settings.RTAI_PLUGINS):
            raise BadFrame(wrong)
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadFrame(f"There are two rules named {twice!r}; expected one of a name.")
    row.rules.all().delete()
    for rule in rules:
        RuleRecord.objects.create(policy=row, **rule.dict())


def _make_default(row: PolicyRecord, *, is_default: bool) -> None:
    if not is_default or row.is_default:
        return
    for other in PolicyRecord.objects.filter(is_default=True):
        other.is_default = False
        other.save()
    row.is_default = True
    row.save()


def _shown(row: PolicyRecord) -> PolicyOut:
    row.refresh_from_db(fields=["version"])
    return PolicyOut(
        name=row.name,
        version=row.version,
        fail_mode=row.fail_mode,
        is_default=row.is_default,
        rules=[RuleOut.from_orm(rule) for rule in row.rules.all()],
    )


def _row(name: str) -> RateLimit:
    try:
        check_name(name)
    except BadLimit as error:
        raise BadFrame(f"{error}.") from None
    scope, _, resource = name.partition(".")
    return must(RateLimit.objects.filter(scope=scope, resource=resource).first(), f"limit {name!r}")


def _limit(row: RateLimit) -> LimitOut:
    return LimitOut(name=str(row), rate=row.rate, enabled=row.enabled)
