"""How peers are run: each at the settings that `python -m benchmarks.sweep` found best.

The sweep writes them to `benchmarks/results/sweep.json`; what is not there has the default here.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

FOR_JUDGING, FOR_FAN_OUT = "tutorial, judging", "tutorial, fan-out"
SWEEP = Path(__file__).resolve().parents[1] / "results" / "sweep.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of uvicorn, for the tutorial architecture."""

    workers: int = 1
    loop: str = "uvloop"
    http: str = "httptools"
    websocket: str = "websockets-sansio"

    @classmethod
    def read(cls, arguments: list[str]) -> Self:
        """From a command line, or the defaults from an empty one."""
        return cls(int(arguments[0]), *arguments[1:]) if arguments else cls()

    def arguments(self) -> list[str]:
        """For a command line."""
        return [str(value) for value in asdict(self).values()]


@dataclass(frozen=True, slots=True)
class SocketIoSettings:
    """Of Socket.IO: `adapter` is `classic` or `sharded`, `deflate` is compression of each frame."""

    adapter: str = "classic"
    deflate: bool = False

    def arguments(self) -> list[str]:
        """For a command line."""
        return [self.adapter, "deflate" if self.deflate else "plain"]


def best(name: str) -> Mapping[str, Any]:
    """The settings of one peer that the last sweep found best; empty where there was none."""
    if not SWEEP.exists():
        return {}
    found: Mapping[str, Mapping[str, Any]] = json.loads(SWEEP.read_text())
    return found.get(name, {})


def tutorial(purpose: str = FOR_JUDGING) -> Settings:
    """The tutorial architecture's best for one purpose."""
    return replace(Settings(), **best(purpose))


def socketio() -> SocketIoSettings:
    """Socket.IO's best."""
    return replace(SocketIoSettings(), **best("socketio"))
