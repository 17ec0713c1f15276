"""The installation's secrets: made at the first start, kept in one file of mode 0600."""

import json
import os
import secrets
from pathlib import Path

FILE = "secrets.json"
NAMES = ("django", "tokens", "addresses")


def load(data_dir: Path) -> dict[str, str]:
    """The secrets of `data_dir`, made if missing; raises OSError where it cannot be written.

    Two processes that start at once agree: the file appears whole, by a link that only one wins.
    """
    path = data_dir / FILE
    if not path.exists():
        _make(path)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mine = path.with_name(f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({name: secrets.token_urlsafe(48) for name in NAMES}, file)
    try:
        os.link(mine, path)
    except FileExistsError:
        return
    finally:
        mine.unlink()
