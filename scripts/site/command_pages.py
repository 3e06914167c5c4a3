"""A hook of mkdocs: in place of a mark, it writes the reference of the command line, from the application."""

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from typer.main import get_command

from spacy_elmo.cli.commands import app

MARK = "<!-- commands -->"
# What `--help` adds to a text: whether a value is required, the default, the allowed numbers.
# Older versions of typer write a backslash before the bracket.
_FACTS = re.compile(r"\s*\\?\[([^\[\]]*(?:required|default: |x[<>]=|<=x)[^\[\]]*)\]\Z")
_AT_LEAST = re.compile(r"x>=(-?\d+)\Z")
_RANGE = re.compile(r"(-?\d+)<=x<=(-?\d+)\Z")
_CODE = re.compile(r"(`[^`]+`|(?<![\w-])--[a-z][\w.-]*\w)")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*", re.IGNORECASE)


class Row(NamedTuple):
    """An argument or option.

    name (str): Its names, as they are typed, with the placeholder of its value.
    text (str): What it means, as HTML, with its default.
    """

    name: str
    text: str


def on_page_markdown(markdown: str, **_page: Any) -> str:
    """Put the commands in place of the mark; called by mkdocs for each page.

    markdown (str): The page.
    RETURNS (str): The page with the commands.
    """
    return markdown.replace(MARK, describe_commands()) if MARK in markdown else markdown


def describe_commands() -> str:
    """Describe all commands.

    RETURNS (str): Markdown: a list of the commands, and a section for each.
    """
    group: Any = get_command(app)
    # Typer has its own copy of click, or uses click itself.
    make_context = type(group).context_class
    context = make_context(group, info_name=group.name, **group.context_settings)
    summaries = [f"| [`{name}`](#{name}) | {_format(one.short_help)} |" for name, one in group.commands.items()]
    parts = [
        "\n".join(["| command | meaning |", "|---|---|", *summaries]),
        *_make_table("option", _read_options(group, context)),
    ]
    for name, command in group.commands.items():
        own = make_context(command, info_name=name, parent=context, **command.context_settings)
        pieces = command.collect_usage_pieces(own)
        text = [_format(paragraph) for paragraph in command.help.split("\n\n")]
        usage = " ".join(["spacy-elmo", name, *pieces])
        parts += [f"## {name}", *text, f"```text\n{usage}\n```"]
        parts += _make_table("argument", _read_arguments(command, own, pieces))
        parts += _make_table("option", _read_options(command, own))
    return "\n\n".join(parts)


def _read_arguments(command: Any, context: Any, pieces: list[str]) -> Iterator[Row]:
    arguments = [one for one in command.get_params(context) if one.param_type_name == "argument"]
    for argument, name in zip(arguments, pieces[-len(arguments) :] if arguments else [], strict=True):
        yield _make_row(name, argument.get_help_record(context))


def _read_options(command: Any, context: Any) -> Iterator[Row]:
    for one in command.get_params(context):
        record = one.get_help_record(context) if one.param_type_name == "option" else None
        # Hidden options have no help; those that complete the shell's input are typer's.
        if record is not None and "-completion" not in record[0]:
            yield _make_row(record[0], record)


def _make_row(name: str, record: tuple[str, str]) -> Row:
    text, facts = record[1], []
    found = _FACTS.search(text)
    if found is not None:
        text = text[: found.start()]
        facts = [_format_fact(fact) for fact in found[1].split("; ")]
    return Row(name, " ".join([_format(text), *facts]))


def _format_fact(fact: str) -> str:
    if fact == "required":
        return "Required."
    if fact.startswith("default: "):
        return f"Default: <code>{_escape(fact.removeprefix('default: '))}</code>."
    return _RANGE.sub(r"\1 to \2.", _AT_LEAST.sub(r"\1 or more.", fact))


def _make_table(title: str, rows: Iterator[Row]) -> list[str]:
    lines = [f"| {_format_name(row.name)} | {row.text} |" for row in rows]
    return ["\n".join([f"| {title} | meaning |", "|---|---|", *lines])] if lines else []


def _format(text: str) -> str:
    """Make HTML of a text in which code is names of options, and what stands in backticks."""
    parts = [_escape(part.strip("`")) for part in _CODE.split(" ".join(text.split()))]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def _format_name(name: str) -> str:
    """Make HTML of names of an option and the placeholder of its value."""
    parts = _OPTION.findall(name) or [name]
    placeholder = name[name.rindex(parts[-1]) + len(parts[-1]) :].strip()
    made = ", ".join(f"<code>{_escape(part)}</code>" for part in parts)
    values = _escape(placeholder).replace("&#124;", "&#124;<wbr>")
    return f"{made} <var>{values}</var>" if placeholder else made


def _escape(text: str) -> str:
    """Write what Markdown or a table would read as entities."""
    return re.sub(r"[*_|\[\]`\\~^{}]", lambda found: f"&#{ord(found[0])};", html.escape(text, quote=False))
