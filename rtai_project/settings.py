"""Django's settings, from the RTAI_* variables and the secrets in the data folder."""

import os
from pathlib import Path
from typing import Any, cast

import dj_database_url
import django_stubs_ext

from inference import connection_redis
from rtai_project import environment, keyring

# Lets `ModelAdmin[Record]` and its like be written at run time.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = cast(Path, environment.read("RTAI_DATA_DIR"))
RTAI_SECRETS = keyring.load(DATA_DIR)
RTAI_DEMO = environment.demo()
RTAI_HOST = cast(str, environment.read("RTAI_HOST"))
RTAI_PORT = cast(int, environment.read("RTAI_PORT"))
RTAI_TRUSTED_PROXIES = environment.read("RTAI_TRUSTED_PROXIES")
RTAI_REDIS_URL = cast(str, environment.read("RTAI_REDIS_URL")) or connection_redis.embedded_url(
    DATA_DIR
)
RTAI_PLUGINS = cast(tuple[str, ...], environment.read("RTAI_PLUGINS"))
RTAI_PROVIDER = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[
    cast(str, environment.read("RTAI_PROVIDER"))
]
RTAI_GENERATION_MEMORY_MB = cast(int, environment.read("RTAI_GENERATION_MEMORY_MB"))
RTAI_MODEL_DIRS = (BASE_DIR / "plugins" / "models",)

# Makes the first sink of every verdict; the database reads what it leaves in the outbox.
RTAI_PUBLISHER = "streams.apps.publisher"
# Sinks behind it: one that fails stops neither verdicts nor the others.
RTAI_SINKS = ("generation.apps.answer",)
# Where an assistant in a stream finds what was said before.
RTAI_SAID_IN = "streams.apps.said_in"

SECRET_KEY = RTAI_SECRETS["django"]
DEBUG = False
ALLOWED_HOSTS = ["*"]  # The widget is called by any host name an operator puts in front.

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "ninja",
    "rtai_project",
    "inference",
    "policy",
    "generation",
    "streams",
    "api",
    "console",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "rtai_project.middleware.SecureCookies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "rtai_project.urls"
ASGI_APPLICATION = "rtai_project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}


def _database() -> dict[str, Any]:
    url = cast(str, environment.read("RTAI_DATABASE_URL")) or f"sqlite:///{DATA_DIR}/rtai.sqlite3"
    found: dict[str, Any] = dict(
        dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    )
    if found["ENGINE"].endswith("sqlite3"):
        # Readers do not block the writer, and a writer waits instead of failing at once.
        found["OPTIONS"] = {
            "timeout": 5,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    return found


DATABASES = {"default": _database()}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [connection_redis.channel_host(RTAI_REDIS_URL)], "prefix": "rtai"},
    }
}

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = connection_redis.celery_broker(RTAI_REDIS_URL)

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # Files are served from where they lie; nothing is collected.
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
_PROCESS = os.environ.get("RTAI_PROCESS", "manage")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": f"%(asctime)s %(levelname)s {_PROCESS} %(name)s %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A line for each task would be two for each batch of messages.
    "loggers": {
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        # A line for each answer, with the address that was asked.
        "httpx": {"level": "WARNING"},
    },
    "root": {
        "handlers": ["console"],
        "level": cast(str, environment.read("RTAI_LOG_LEVEL")).upper(),
    },
}
