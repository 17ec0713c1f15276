"""The JavaScript client as a package: its types name what it has, and Node can use it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.product import ROOT, running

PACKAGE = ROOT / "streams" / "static" / "streams"
SOURCE = (PACKAGE / "client.js").read_text()
TYPES = (PACKAGE / "client.d.ts").read_text()
MANIFEST: dict[str, Any] = json.loads((PACKAGE / "package.json").read_text())
EXPORT = re.compile(r"^export (?:class|const|function) (\w+)", re.MULTILINE)
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="NO NODE: the package is not tried")


def body(source: str, name: str) -> str:
    """The lines of a class."""
    found = re.search(rf"^export class {name} \{{\n(.*?)^\}}", source, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_types_name_exactly_what_the_module_exports() -> None:
    assert sorted(EXPORT.findall(TYPES)) == sorted(EXPORT.findall(SOURCE))


def test_the_types_have_every_method_with_as_many_arguments() -> None:
    written = re.findall(r"^  (\w+)\((.*)\) \{$", body(SOURCE, "Client"), re.MULTILINE)
    typed = re.findall(r"^  (\w+)\((.*)\)(?:: \w+)?;$", body(TYPES, "Client"), re.MULTILINE)
    counts = [
        {
            name: 1 if name == "constructor" else len(given.split(",")) if given else 0
            for name, given in methods
        }
        for methods in (written, typed)
    ]

    assert counts[0] == counts[1]


def test_the_types_have_every_option_and_public_field() -> None:
    asked = re.search(r"constructor\(\{ (.*) \}\)", SOURCE)
    assert asked is not None
    options = {each.split(" = ")[0] for each in asked[1].split(", ")}
    interface = re.search(r"^export interface ClientOptions \{\n(.*?)^\}", TYPES, re.M | re.S)
    assert interface is not None
    assert set(re.findall(r"^  (\w+)\??:", interface[1], re.MULTILINE)) == options

    fields = set(re.findall(r"this\.(\w+) = ", SOURCE))
    assert set(re.findall(r"^  (\w+): ", body(TYPES, "Client"), re.MULTILINE)) == fields


def test_the_types_have_every_frame_of_the_protocol_that_reaches_the_caller() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text()
    sent = protocol.split("### From the server")[1].split("##")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", sent, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)} - {"type"}

    named = {each for line in re.findall(r"^  type: (.*);$", TYPES, re.M) for each in quoted(line)}
    assert named == names - {"ping", "welcome"}


def quoted(line: str) -> list[str]:
    return re.findall(r'"(\w+)"', line)


def test_the_package_has_every_file_that_it_imports_and_no_dependency() -> None:
    files = {"client.js", "client.d.ts"}
    for name in ("client.js", "backoff.js", "place.js", "waking.js"):
        files |= set(re.findall(r'from "\./([\w.]+)"', (PACKAGE / name).read_text()))

    assert set(MANIFEST["files"]) == files
    assert MANIFEST["exports"]["."] == {"types": "./client.d.ts", "default": "./client.js"}
    assert not {"dependencies", "devDependencies", "scripts"} & MANIFEST.keys()


@needs_node
def test_node_imports_by_name_what_the_types_name(tmp_path: Path) -> None:
    script = "import * as all from 'rtai-client'; console.log(JSON.stringify(Object.keys(all)))"
    found = node(tmp_path, "--input-type=module", "--eval", script)

    assert sorted(json.loads(found)) == sorted(EXPORT.findall(TYPES))


@needs_node
@pytest.mark.processes
@pytest.mark.timeout(240)
@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_node_holds_a_conversation_over_a_drop_and_a_refresh(tmp_path: Path, server: str) -> None:
    shutil.copy(Path(__file__).with_name("conversation.mjs"), tmp_path)
    with running(tmp_path / "var", RTAI_SERVER=server) as product:
        answer = httpx.post(
            f"{product.url}/widget/v1/token",
            json={"site": "pk_demo", "name": "Ada"},
            headers={"Origin": product.url},
        )
        address = product.url.replace("http", "ws", 1) + "/ws/v1/"
        token = answer.json()["token"]
        found = node(tmp_path, "--experimental-websocket", "conversation.mjs", address, given=token)
    heard = json.loads(found)

    assert heard["texts"] == ["Good morning, everybody.", "How are you today?"]
    assert heard["verdicts"] == {"first": "allow", "second": "allow"}
    assert "refreshed" in heard["types"]
    assert "error" not in heard["types"]
    assert heard["states"] == [
        "connecting", "open", "waiting", "connecting", "open", "closed",
    ]  # fmt: skip


def node(folder: Path, *arguments: str, given: str = "") -> str:
    """Runs Node where the package is installed; what it printed."""
    modules = folder / "node_modules"
    modules.mkdir()
    (modules / "rtai-client").symlink_to(PACKAGE)
    done = subprocess.run(
        [str(NODE), *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
