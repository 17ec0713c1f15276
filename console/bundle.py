"""Joins the widget's modules into the one classic script that a page embeds."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
_IMPORT = re.compile(r'^import [^;]*? from "\./[a-z_]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=class|const|function|async)", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A script and its entity tag."""

    body: bytes
    etag: str


def join(modules: Sequence[str], start: str) -> Bundle:
    """The modules, each after those it imports, in one function's scope; `start` is run last.

    Lines that are only a comment go, and indentation with them: what is served stays small
    and readable without a build step.
    """
    plain = "\n".join(_without_syntax(module) for module in modules)
    body = f'(() => {{\n"use strict";\n{plain}{start}\n}})();\n'.encode()
    return Bundle(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _without_syntax(module: str) -> str:
    plain = _EXPORT.sub("", _IMPORT.sub("", _COMMENT.sub("", module)))
    return _INDENT.sub("", plain)
