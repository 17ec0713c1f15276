"""The installation's secrets are made once, whoever starts first."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from rtai_project import keyring


def test_secrets_are_kept_for_this_user_alone(tmp_path: Path) -> None:
    made = keyring.load(tmp_path)
    assert sorted(made) == sorted(keyring.NAMES)
    assert keyring.load(tmp_path) == made
    assert stat.S_IMODE((tmp_path / keyring.FILE).stat().st_mode) == 0o600


def test_starts_at_the_same_moment_agree(tmp_path: Path) -> None:
    together = Barrier(8)

    def load(_: int) -> dict[str, str]:
        together.wait()
        return keyring.load(tmp_path)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(load, range(8)))
    assert all(each == found[0] for each in found)
    assert [path.name for path in tmp_path.iterdir()] == [keyring.FILE]
