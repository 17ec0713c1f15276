"""Joins the widget's modules into the one classic script that a page embeds."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters

_COMMENT = re.compile(r"^\s*//.*\n| // .*$", re.MULTILINE)
_IMPORT = re.compile(r'^import [^;]*? from "\./[a-z_]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=class|const|function|async)", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)
_SHEET = re.compile(r"(?<=STYLE = `).*?(?=`;)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A script and its entity tag."""

    body: bytes
    etag: str


def join(modules: Sequence[str], start: str) -> Bundle:
    """The modules, each after those it imports, in one function's scope; `start` is run last.

    Comments and needless white space go, and private names are shortened: what is served
    stays small without a build step.
    """
    plain = _shorten("\n".join(_without_syntax(module) for module in modules))
    body = f'(() => {{\n"use strict";\n{plain}{start}\n}})();\n'.encode()
    return Bundle(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _without_syntax(module: str) -> str:
    plain = _EXPORT.sub("", _IMPORT.sub("", _COMMENT.sub("", module)))
    return _INDENT.sub("", _SHEET.sub(_squeeze, plain))


def _squeeze(sheet: re.Match[str]) -> str:
    return re.sub(r"\s*([{}:;,])\s*", r"\1", re.sub(r"\s+", " ", sheet[0]))


def _shorten(script: str) -> str:
    """Private names are scoped by their class, so the same short name for all does no harm."""
    names = dict.fromkeys(re.findall(r"\bthis\.#(\w+)", script))
    short = {name: f"#{_letters(at)}" for at, name in enumerate(names)}
    return re.sub(r"#([A-Za-z]\w*)\b", lambda found: short.get(found[1], found[0]), script)


def _letters(number: int) -> str:
    rest, last = divmod(number, len(ascii_letters))
    return (_letters(rest - 1) if rest else "") + ascii_letters[last]
