"""The reference of the command line has every command, argument and option of the application."""

import re
from typing import Any

import pytest
from typer.main import get_command

from scripts.site.command_pages import MARK, describe_commands, on_page_markdown
from spacy_elmo.cli.commands import app
from tests.data import ROOT

GROUP: Any = get_command(app)


def section(name: str) -> str:
    parts = re.split(r"^## (.*)\n", describe_commands(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))[name]


@pytest.mark.parametrize("name", GROUP.commands)
def test_every_option(name: str) -> None:
    text = section(name)
    for one in GROUP.commands[name].params:
        if one.param_type_name == "option":
            assert all(f"<code>{option}</code>" in text for option in [*one.opts, *one.secondary_opts])
    assert "<code>-h</code>, <code>--help</code>" in text
    assert f"\nspacy-elmo {name} " in text
    assert "-completion" not in text


def test_every_command_is_listed() -> None:
    listed = re.findall(r"^\| \[`(.*?)`\]\(#(.*?)\) \| ", describe_commands(), re.MULTILINE)
    assert listed == [(name, name) for name in GROUP.commands]


def test_facts() -> None:
    """Defaults, bounds and what is required; names of values; characters of tables and HTML."""
    serve, embed = section("serve"), section("embed")
    assert "0 chooses a free one. Default: <code>8000</code>. 0 to 65535. |" in serve
    assert "| <code>-s</code>, <code>--source</code> <var>SOURCE</var> | The model: en&#95;sm or" in serve
    assert re.search(r"^\| <code>INPUT\.\.\.</code> \| .* Required\. \|$", embed, re.MULTILINE)
    assert "<var>fp32&#124;<wbr>fp64&#124;<wbr>" in embed
    assert "<code>--training.n&#95;epochs</code> 3" in section("pretrain")


def test_lines_of_tables_have_two_cells() -> None:
    lines = [line for line in describe_commands().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {3}
    assert len(lines) > 100


def test_only_the_page_with_the_mark() -> None:
    assert on_page_markdown("# Text", page=None) == "# Text"
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert page.count(MARK) == 1
    assert describe_commands() in on_page_markdown(page, page=None)
