"""The installation's secrets are made once, whoever starts first."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import redis

from rtai_project import keyring
from rtai_project.shared_secrets_redis import agree


def test_secrets_are_kept_for_this_user_alone(tmp_path: Path) -> None:
    made = keyring.load(tmp_path)
    assert sorted(made) == sorted(keyring.NAMES)
    assert keyring.load(tmp_path) == made
    assert stat.S_IMODE((tmp_path / keyring.FILE).stat().st_mode) == 0o600


def test_secrets_that_are_taken_from_others_stay(tmp_path: Path) -> None:
    found = {**keyring.load(tmp_path), "tokens": "theirs"}
    keyring.keep(tmp_path, found)

    assert keyring.load(tmp_path) == found
    assert stat.S_IMODE((tmp_path / keyring.FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [keyring.FILE]


def test_whoever_comes_later_takes_what_the_first_one_left(valkey: redis.Redis) -> None:
    first, later = ({name: f"{whose} {name}" for name in keyring.NAMES} for whose in "ab")

    assert agree(valkey, first) == first
    taken = {**first, "django": later["django"]}
    assert agree(valkey, later) == agree(valkey, taken) == taken


def test_starts_at_the_same_moment_agree(tmp_path: Path) -> None:
    together = Barrier(8)

    def load(_: int) -> dict[str, str]:
        together.wait()
        return keyring.load(tmp_path)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(load, range(8)))
    assert all(each == found[0] for each in found)
    assert [path.name for path in tmp_path.iterdir()] == [keyring.FILE]
