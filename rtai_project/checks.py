"""System checks: set-ups that work but are unsafe or surely not meant."""

import stat
from collections.abc import Sequence
from typing import Any, cast

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from rtai_project import environment, keyring

RTAI = "rtai"


@register(RTAI)
def check_demo(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The demo's public key is known to everybody: it is no door for the open network."""
    if not settings.RTAI_DEMO or settings.RTAI_HOST in environment.LOOPBACK:
        return []
    return [
        Warning(
            f"RTAI_DEMO is on while RTAI_HOST is {settings.RTAI_HOST!r}: anyone may use the demo.",
            hint="Set RTAI_DEMO=0 unless that is meant.",
            id="rtai.W001",
        )
    ]


@register(RTAI)
def check_proxies(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Trusting every network lets every client choose its own address."""
    networks = cast(Sequence[Any], settings.RTAI_TRUSTED_PROXIES)
    if all(network.prefixlen for network in networks):
        return []
    return [
        Warning(
            "RTAI_TRUSTED_PROXIES trusts every address: clients can forge theirs.",
            hint="Name only the networks of your own proxies.",
            id="rtai.W002",
        )
    ]


@register(RTAI)
def check_secrets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The file of secrets is for this user alone."""
    path = settings.DATA_DIR / keyring.FILE
    if not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return []
    return [
        Warning(
            f"{path} can be read by other users of this machine.",
            hint=f"Run: chmod 600 {path}",
            id="rtai.W003",
        )
    ]
