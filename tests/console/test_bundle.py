"""The embed script is the modules joined, smaller, and nothing else."""

from console import bundle


def joined(*modules: str) -> str:
    return bundle.join(modules, "start();").body.decode()


def test_modules_share_one_strict_scope_and_leave_nothing_behind() -> None:
    found = joined(
        "export const ONE = 1;\n", 'import { ONE } from "./one.js";\nexport function two() {}\n'
    )

    assert (
        found == '(() => {\n"use strict";\nconst ONE = 1;\n\nfunction two() {}\nstart();\n})();\n'
    )


def test_comments_and_indentation_go() -> None:
    found = joined("// What it is.\nconst a = 1; // Why.\n\n  const b = `\n  c`;\n")

    assert "What" not in found
    assert "Why" not in found
    assert "\nconst b" in found


def test_addresses_are_no_comments() -> None:
    assert '"http://www.w3.org/2000/svg"' in joined('const S = "http://www.w3.org/2000/svg";\n')


def test_private_names_are_shortened_alike_and_colours_are_not() -> None:
    found = joined(
        "class A {\n  #first = 1;\n  second() { return this.#first + this.#third(); }\n"
        '  #third() { return "#firsts #face"; }\n}\n'
    )

    assert "#a = 1;" in found
    assert "this.#a + this.#b()" in found
    assert '"#firsts #face"' in found


def test_a_style_sheet_loses_its_white_space() -> None:
    found = joined("export const STYLE = `\n  .a .b {\n    color: red;\n    margin: 0 1px }\n`;\n")

    assert "`.a .b{color:red;margin:0 1px}`" in found.replace("` .a", "`.a")


def test_the_tag_changes_with_the_content() -> None:
    assert bundle.join(["a"], "").etag == bundle.join(["a"], "").etag
    assert bundle.join(["a"], "").etag != bundle.join(["b"], "").etag
