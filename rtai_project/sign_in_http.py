"""Signing in to the admin, so many times a minute from one address."""

import logging
import math
from typing import Any, cast

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from api.callers_http import address_of
from inference.errors import Overloaded, RateLimited
from policy.limits_redis import Bucket
from streams import limits_redis

LIMIT = "address.sign_ins"
log = logging.getLogger(__name__)


class SignInForm(AdminAuthenticationForm):
    """Looks at no password before the address has an attempt left."""

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError, with the time to wait where attempts came too fast."""
        try:
            limits_redis.take(
                settings.RTAI_REDIS_URL,
                [Bucket(LIMIT, address_of(cast(HttpRequest, self.request)))],
            )
        except RateLimited as error:
            raise ValidationError(_wait(error.retry_after_ms or 1_000), "limited") from error
        except Overloaded:
            # Whoever has to mend Redis may need the admin for it.
            log.warning("Redis is away: attempts to sign in are not counted.")
        return super().clean()


def _wait(milliseconds: int) -> str:
    seconds = math.ceil(milliseconds / 1000)
    told = ngettext("Try again in %d second.", "Try again in %d seconds.", seconds) % seconds
    return f"{_('Too many attempts to sign in from here.')} {told}"
