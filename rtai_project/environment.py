"""The RTAI_* variables: names, defaults, what is allowed, and what to say when it is not."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BadVariable(ValueError):
    """A variable's value is not allowed; the message names all three."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One documented variable: `parse` raises ValueError, whose text says what is allowed."""

    name: str
    default: str
    allowed: str
    meaning: str
    parse: Callable[[str], object]


def _text(value: str) -> str:
    return value


def _port(value: str) -> int:
    port = int(value)
    if not 0 < port < 65536:
        raise ValueError
    return port


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _threads(value: str) -> int:
    number = int(value)
    if not 1 <= number <= 256:
        raise ValueError
    return number


def _natural(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError
    return number


def _flag(value: str) -> bool:
    return {"0": False, "1": True}[value]


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if urlsplit(value).scheme not in schemes:
            raise ValueError
        return value

    return parse


def _key(value: str) -> str:
    if len(value) < 32:
        raise ValueError
    return value


def _networks(value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(each.strip()) for each in value.split(",") if each.strip())


def _paths(value: str) -> tuple[str, ...]:
    paths = tuple(each.strip() for each in value.split(",") if each.strip())
    if any("." not in path for path in paths):
        raise ValueError
    return paths


REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel")
DATABASE_SCHEMES = ("postgres", "postgresql", "sqlite")

VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("RTAI_HOST", "127.0.0.1", "a host name or address", "Where to listen.", _text),
        Variable("RTAI_PORT", "8000", "a number from 1 to 65535", "Where to listen.", _port),
        Variable(
            "RTAI_DATA_DIR",
            "./var",
            "a folder that can be written",
            "Database, secrets, models, and the embedded Valkey's socket and files.",
            lambda value: Path(value).resolve(),
        ),
        Variable(
            "RTAI_DATABASE_URL",
            "",
            "a URL such as postgresql://user:password@host/name",
            "The database; SQLite in the data folder where unset.",
            _url(*DATABASE_SCHEMES, ""),
        ),
        Variable(
            "RTAI_REDIS_URL",
            "",
            "a URL with redis://, rediss://, unix:// or redis+sentinel://",
            "Redis or Valkey; an embedded Valkey where unset.",
            _url(*REDIS_SCHEMES, ""),
        ),
        Variable(
            "RTAI_ADMIN_USERNAME", "admin", "a name", "The first administrator's name.", _text
        ),
        Variable(
            "RTAI_ADMIN_PASSWORD",
            "",
            "a password",
            "The first administrator's password; generated where unset.",
            _text,
        ),
        Variable(
            "RTAI_API_KEY",
            "",
            "a key of at least 32 characters",
            "The first site's API key, with all scopes; generated where unset.",
            lambda value: _key(value) if value else "",
        ),
        Variable(
            "RTAI_WORKERS",
            str(max(1, (os.cpu_count() or 2) - 1)),
            "a number from 1",
            "Celery worker processes; one fewer than the cores where unset.",
            _positive,
        ),
        Variable(
            "RTAI_DEMO",
            "",
            "0 or 1",
            "The demo site and page; 1 on a loopback host, else 0, where unset.",
            lambda value: _flag(value) if value else None,
        ),
        Variable(
            "RTAI_TRUSTED_PROXIES",
            "",
            "networks such as 10.0.0.0/8,127.0.0.1/32",
            "Whose X-Forwarded-* headers count.",
            _networks,
        ),
        Variable(
            "RTAI_SERVER",
            "daphne",
            "daphne or uvicorn",
            "ASGI server.",
            _one_of("daphne", "uvicorn"),
        ),
        Variable(
            "RTAI_PLUGINS",
            "plugins.moderation.Moderation,plugins.sentiment.Sentiment,plugins.llm.Llm",
            "dotted paths such as mypackage.plugin.Spam,mypackage.other.Rude",
            "Plugins to load besides those of the entry-point group rtai.plugins.",
            _paths,
        ),
        Variable(
            "RTAI_PROVIDER",
            "cpu",
            "cpu or cuda",
            "What runs the models; a worker that cannot have it says so and loads none.",
            _one_of("cpu", "cuda"),
        ),
        Variable(
            "RTAI_GENERATION_WORKERS",
            "1",
            "a number from 0",
            "Celery worker processes that write answers; 0 where other machines do.",
            _natural,
        ),
        Variable(
            "RTAI_GENERATION_CONCURRENCY",
            "32",
            "a number from 1 to 256",
            "Answers that one such process writes at the same time.",
            _threads,
        ),
        Variable(
            "RTAI_GENERATION_MEMORY_MB",
            "768",
            "a number from 1",
            "What the answers under way may take in a generation worker; sets how many there are.",
            _positive,
        ),
        Variable(
            "RTAI_LOG_LEVEL",
            "info",
            "debug, info, warning or error",
            "How much is logged.",
            _one_of("debug", "info", "warning", "error"),
        ),
    )
}


def read(name: str, environ: Mapping[str, str] = os.environ) -> object:
    """The variable's parsed value; raises BadVariable."""
    variable = VARIABLES[name]
    value = environ.get(name) or variable.default
    try:
        return variable.parse(value)
    except (ValueError, KeyError):
        shown = "a value" if name in SECRET else repr(value)
        raise BadVariable(f"{name} is {shown}; allowed is {variable.allowed}.") from None


SECRET = {"RTAI_ADMIN_PASSWORD", "RTAI_API_KEY", "RTAI_DATABASE_URL", "RTAI_REDIS_URL"}
"""Variables whose values are never shown."""


INTERNAL = {"RTAI_PROCESS", "RTAI_TEST_DATABASE_URL"}
"""Variables between our own processes: which child this is, and the tests' database."""


def check(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names of unknown RTAI_* variables, after every known one was read; raises BadVariable."""
    for name in VARIABLES:
        read(name, environ)
    known = VARIABLES.keys() | INTERNAL
    return sorted(name for name in environ if name.startswith("RTAI_") and name not in known)


def demo(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the demo site is on: as told, or on a loopback host."""
    told = read("RTAI_DEMO", environ)
    return read("RTAI_HOST", environ) in LOOPBACK if told is None else bool(told)
