"""Whatever touches a live client: frames, sessions, limits, history and fan-out."""
