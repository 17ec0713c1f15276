"""Every variable is read, refused with its name, or warned about."""

import pytest

from rtai_project import environment

ANYWHERE = "0.0.0.0"  # noqa: S104 - a value, nothing listens
GOOD = {
    "RTAI_HOST": ANYWHERE,
    "RTAI_PORT": "65535",
    "RTAI_DATA_DIR": "/srv/rtai",
    "RTAI_DATABASE_URL": "postgresql://user:word@db/rtai",
    "RTAI_REDIS_URL": "redis+sentinel://one:26379,two:26379/mymaster/0",
    "RTAI_ADMIN_USERNAME": "root",
    "RTAI_ADMIN_PASSWORD": "hunter2hunter2",
    "RTAI_API_KEY": "k" * 32,
    "RTAI_WORKERS": "3",
    "RTAI_DEMO": "0",
    "RTAI_TRUSTED_PROXIES": "10.0.0.0/8, ::1/128",
    "RTAI_SERVER": "uvicorn",
    "RTAI_PLUGINS": "mine.plugin.Spam",
    "RTAI_PROVIDER": "cuda",
    "RTAI_LOG_LEVEL": "debug",
}
BAD = [
    ("RTAI_PORT", "0"),
    ("RTAI_PORT", "65536"),
    ("RTAI_PORT", "http"),
    ("RTAI_DATABASE_URL", "mysql://db/rtai"),
    ("RTAI_REDIS_URL", "http://redis"),
    ("RTAI_API_KEY", "k" * 31),
    ("RTAI_WORKERS", "0"),
    ("RTAI_WORKERS", "many"),
    ("RTAI_DEMO", "yes"),
    ("RTAI_TRUSTED_PROXIES", "10.0.0.0/40"),
    ("RTAI_TRUSTED_PROXIES", "10.0.0.1/8"),
    ("RTAI_SERVER", "gunicorn"),
    ("RTAI_PLUGINS", "Spam"),
    ("RTAI_PROVIDER", "quantum"),
    ("RTAI_LOG_LEVEL", "loud"),
]


def test_good_values_pass() -> None:
    assert environment.check(GOOD) == []


def test_no_value_at_all_passes() -> None:
    assert environment.check({}) == []


def test_an_empty_value_means_the_default() -> None:
    assert environment.read("RTAI_PORT", {"RTAI_PORT": ""}) == 8000


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(environment.BadVariable) as refused:
        environment.check({**GOOD, name: value})
    text = str(refused.value)
    assert name in text
    assert environment.VARIABLES[name].allowed in text
    assert "\n" not in text
    assert (value in text) is (name not in environment.SECRET)


@pytest.mark.parametrize("name", sorted(environment.VARIABLES.keys() - {"RTAI_HOST"}))
def test_every_variable_has_a_default_that_is_allowed(name: str) -> None:
    found = environment.read(name, {})

    # Whether there is a demo depends on the host, where nothing is said.
    assert (found is None) is (name == "RTAI_DEMO")


def test_unknown_variables_are_named_but_our_own_are_not() -> None:
    given = {"RTAI_PROT": "1", "RTAI_PROCESS": "web", "OTHER": "1"}
    assert environment.check(given) == ["RTAI_PROT"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"RTAI_HOST": ANYWHERE}, False),
        ({"RTAI_HOST": "::1"}, True),
        ({"RTAI_HOST": ANYWHERE, "RTAI_DEMO": "1"}, True),
        ({"RTAI_DEMO": "0"}, False),
    ],
)
def test_the_demo_is_on_where_only_this_machine_sees_it(
    given: dict[str, str], expected: bool
) -> None:
    assert environment.demo(given) is expected
