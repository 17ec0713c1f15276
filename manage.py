#!/usr/bin/env python
"""The command line: `manage.py up`, `doctor`, `analyze`, `models`, `limits` and Django's own."""

import os
import sys

from rtai_project import environment, startup


def main() -> None:
    """Runs a command; what stops its start is told in one line, with exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rtai_project.settings")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        startup.check()
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except (environment.BadVariable, startup.StartError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
