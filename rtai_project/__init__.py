"""Wiring: settings, start-up checks, servers and the supervisor. Nothing is decided here."""

import os

# ONNX Runtime's official wheels report usage unless this is set before their first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
