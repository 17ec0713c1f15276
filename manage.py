#!/usr/bin/env python
"""The command line: `manage.py up`, `doctor`, `analyze`, `models`, `limits` and Django's own."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rtai_project.settings")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
