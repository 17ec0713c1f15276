"""`manage.py limits`: rate limits from the command line, in force when it returns."""

from argparse import ArgumentParser
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference import connection_redis
from streams import limits_db
from streams.limits import NAMES, BadLimit, check
from streams.models import RateLimit
from streams.turnstile_redis import wait_until_in_use


class Command(BaseCommand):
    help = "Lists, sets and lifts rate limits. Every process applies a change at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`list`, `set NAME RATE`, `off NAME` and `off --all`."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="all limits, one a line")
        setting = actions.add_parser("set", help="set a limit, and turn it on")
        setting.add_argument("name", metavar="NAME", help=", ".join(NAMES))
        setting.add_argument("rate", metavar="RATE", nargs="+", help="20/10s, or a cap such as 20")
        lifting = actions.add_parser("off", help="lift a limit, or all; size caps stay")
        lifting.add_argument("name", metavar="NAME", nargs="?")
        lifting.add_argument("--all", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Does it; a bad name or rate is one line and exit status 1."""
        try:
            self._handle(**options)
        except BadLimit as error:
            raise CommandError(str(error)) from None
        except redis.RedisError as error:
            raise CommandError(f"Saved, but Redis is away, so not yet in force: {error}") from None

    def _handle(self, action: str, **options: Any) -> None:
        if action == "list":
            return self._list()
        if action == "set":
            name = options["name"]
            limits_db.store(name, check(name, " ".join(options["rate"])))
        elif options["all"] == bool(options["name"]):
            raise CommandError("Give the name of one limit, or --all.")
        else:
            for name in NAMES if options["all"] else [options["name"]]:
                limits_db.turn_off(name)
        limits_db.apply(settings.RTAI_REDIS_URL)
        if not wait_until_in_use(connection_redis.client(settings.RTAI_REDIS_URL)):
            raise CommandError("In force, but a server still counts connections as before.")

    def _list(self) -> None:
        stored = {str(row): row for row in RateLimit.objects.all()}
        for name in NAMES:
            row = stored.get(name)
            rate = "unlimited" if row is None else row.rate if row.enabled else f"off ({row.rate})"
            self.stdout.write(f"{name:<26}{rate}")
