"""The installation's secrets: made at the first start, kept in one file of mode 0600."""

import json
import os
import secrets
from collections.abc import Mapping
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


def keep(data_dir: Path, found: Mapping[str, str]) -> None:
    """Puts these secrets in the place of those of `data_dir`; raises OSError."""
    path = data_dir / FILE
    mine = _written(path, found)
    mine.replace(path)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mine = _written(path, {name: secrets.token_urlsafe(48) for name in NAMES})
    try:
        os.link(mine, path)
    except FileExistsError:
        return
    finally:
        mine.unlink()


def _written(path: Path, found: Mapping[str, str]) -> Path:
    """A file beside `path`, for this user alone."""
    mine = path.with_name(f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(dict(found), file)
    return mine
