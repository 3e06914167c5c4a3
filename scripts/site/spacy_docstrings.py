"""An extension of griffe that reads docstrings in spaCy's style, which the reference of the site is made of.

An entry is `name (type): text`, with further lines indented; RETURNS, YIELDS and RAISES are entries, too. Text is
plain, except for names in backticks: those of this package become links where a page describes them.
"""

import json
import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from griffe import (
    Attribute,
    Class,
    Docstring,
    DocstringAttribute,
    DocstringParameter,
    DocstringRaise,
    DocstringReturn,
    DocstringSection,
    DocstringSectionAttributes,
    DocstringSectionParameters,
    DocstringSectionRaises,
    DocstringSectionReturns,
    DocstringSectionText,
    DocstringSectionYields,
    DocstringYield,
    Expr,
    ExprName,
    Extension,
    Function,
    GriffeError,
    GriffeLoader,
    Module,
    Object,
    ParameterKind,
    parse_docstring_annotation,
)

_START = re.compile(r"(\w+) \(")
_CODE = re.compile(r"(`[^`]+`)")
_NAME = re.compile(r"`([A-Za-z_][\w.]*)`")
_SPECIAL = re.compile(r"([\\*_\[\]{}#|])")
# The text of an entry that leaves it to the entry of the same name in another docstring.
_ELSEWHERE = re.compile(r"(?:See|As for) `([\w.]+)`(?:\.|[.;] (.*))\Z", re.DOTALL)
# A docstring that leaves parameters to another one, see tests/test_docstrings.py.
_ALL_ELSEWHERE = re.compile(r"\b[Tt]he (?:other )?arguments are those of `([\w.]+)`")
# The entries that are no parameters: what griffe calls an item of them, and their section.
_RESULTS: Mapping[str, tuple[Callable[..., Any], Callable[..., DocstringSection]]] = {
    "RETURNS": (partial(DocstringReturn, ""), DocstringSectionReturns),
    "YIELDS": (partial(DocstringYield, ""), DocstringSectionYields),
    "RAISES": (DocstringRaise, DocstringSectionRaises),
}
_VARIADIC = (ParameterKind.var_positional, ParameterKind.var_keyword)


class Entry(NamedTuple):
    """An entry of a docstring.

    name (str): The name of a parameter or attribute; or RETURNS, YIELDS or RAISES.
    type (str): What stands in parentheses.
    text (str): The text, without indentation.
    """

    name: str
    type: str
    text: str


def split_docstring(text: str) -> tuple[str, list[Entry]]:
    """Split a docstring into its text and its entries.

    text (str): The docstring, without indentation.
    RETURNS (tuple[str, list[Entry]]): What stands outside of the entries, and the entries in their order.
    """
    prose: list[str] = []
    entries: list[Entry] = []
    is_entry = False
    for line in text.splitlines():
        found = _read_start(line)
        if found is not None:
            entries.append(found)
        elif is_entry and line.startswith(" "):
            entries[-1] = entries[-1]._replace(text=f"{entries[-1].text}\n{line.strip()}")
        else:
            prose.append(line)
        is_entry = found is not None or (is_entry and line.startswith(" "))
    return "\n".join(prose).strip(), entries


def _read_start(line: str) -> Entry | None:
    """Read the first line of an entry."""
    start = _START.match(line)
    if start is None:
        return None
    depth = 1
    for place in range(start.end(), len(line)):
        depth += (line[place] in "([{") - (line[place] in ")]}")
        if depth == 0:
            rest = line[place + 1 :]
            is_entry = rest.startswith(": ")
            return Entry(start[1], line[start.end() : place], rest[2:]) if is_entry else None
    return None


def split_types(text: str) -> list[str]:
    """Split a list of types, such as of several exceptions.

    text (str): Types, separated by commas.
    RETURNS (list[str]): Each of them.
    """
    return [one.strip() for one in re.split(r",(?![^\[]*\])", text)]


class SpacyDocstrings(Extension):
    """Reads the docstrings of a package.

    attributes (Mapping[str, Sequence[str]] | None): Classes, by their paths, of which users make no object
        themselves: of their entries, these are described, as attributes.
    configs (Mapping[str, str | None] | None): Functions, by their paths, that are called from configs: their
        defaults are written as there. If they stand in a config, the path of the constant with its text; then
        parameters that its first section lacks are left out.
    """

    def __init__(
        self,
        attributes: Mapping[str, Sequence[str]] | None = None,
        configs: Mapping[str, str | None] | None = None,
    ):
        self.attributes = attributes or {}
        self.configs = configs or {}
        self.loader = GriffeLoader()
        # Classes by their names, and by the paths of their bases.
        self.classes: dict[str, list[Class]] = {}
        self.subclasses: dict[str, list[Class]] = {}

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **_others: Any) -> None:
        """Prepare what the docstrings need: classes by name and base, and values in place of constants' names.

        pkg (Module): The package.
        loader (GriffeLoader): griffe's loader.
        """
        self.loader = loader
        self._prepare(pkg)
        self.on_object(obj=pkg)

    def on_object(self, *, obj: Object, **_others: Any) -> None:
        """Read the docstring of an object.

        obj (Object): A module, class, function or attribute.
        """
        if obj.docstring is not None:
            obj.docstring.parsed = self.parse(obj.docstring)

    def _prepare(self, owner: Object) -> None:
        for member in owner.members.values():
            if isinstance(member, Class):
                self.classes.setdefault(member.name, []).append(member)
                for base in member.bases:
                    path = base.canonical_path if isinstance(base, Expr) else base
                    self.subclasses.setdefault(path, []).append(member)
            if isinstance(member, (Module, Class)):
                self._prepare(member)
            elif isinstance(member, Function):
                for parameter in member.parameters:
                    parameter.default = self._read_constant(parameter.default)

    def _read_constant(self, default: str | Expr | None) -> str | Expr | None:
        """Replace the name of a constant by its value, if that is a text or a number."""
        if isinstance(default, ExprName):
            with suppress(KeyError, GriffeError):
                constant = self.loader.modules_collection[default.canonical_path]
                if isinstance(constant, Attribute) and isinstance(constant.value, str):
                    return constant.value
        return default

    def parse(self, docstring: Docstring) -> list[DocstringSection]:
        """Parse a docstring.

        docstring (Docstring): The docstring, in spaCy's style.
        RETURNS (list[DocstringSection]): Text, parameters or attributes, results and errors.
        """
        owner = docstring.parent
        prose, entries = split_docstring(docstring.value)
        entries = [self._complete(entry, owner) for entry in [*entries, *self._find_others(prose, entries, owner)]]
        sections: list[DocstringSection] = [DocstringSectionText(self._format(prose, owner))] if prose else []
        named = [entry for entry in entries if entry.name not in _RESULTS]
        shown = self.attributes.get(owner.path if owner is not None else "")
        is_config = owner is not None and self.configs.get(owner.path) is not None
        defaults = {} if shown is not None else self._get_defaults(owner)
        parameters = [
            DocstringParameter(
                entry.name,
                annotation=parse_docstring_annotation(entry.type, docstring),
                description=self._format(entry.text, owner),
                value=defaults[entry.name],
            )
            for entry in named
            if entry.name in defaults
        ]
        attributes = [
            DocstringAttribute(
                entry.name,
                annotation=parse_docstring_annotation(entry.type, docstring),
                description=self._format(entry.text, owner),
            )
            for entry in named
            if entry.name not in defaults and (entry.name in shown if shown is not None else not is_config)
        ]
        if parameters:
            sections.append(DocstringSectionParameters(parameters))
        if attributes:
            sections.append(DocstringSectionAttributes(attributes))
        return [*sections, *self._make_results(entries, docstring)]

    def _get_defaults(self, owner: Object | None) -> dict[str, str | None]:
        """Get the parameters of a function or class with their defaults, as they are written."""
        if not isinstance(owner, (Function, Class)):
            return {}
        config = self.configs.get(owner.path)
        if config is not None:
            return self._read_config(config)
        is_config = owner.path in self.configs
        defaults: dict[str, str | None] = {}
        for parameter in owner.parameters:
            if parameter.name not in ("self", "cls"):
                default = None if parameter.kind in _VARIADIC else parameter.default
                value = None if default is None else str(default)
                defaults[parameter.name] = _write_json(value) if is_config and value is not None else value
        return defaults

    def _read_config(self, path: str) -> dict[str, str | None]:
        parser = ConfigParser(interpolation=None)
        parser.read_string(literal_eval(str(self.loader.modules_collection[path].value)))
        first, *others = parser.sections()
        blocks = {name.removeprefix(f"{first}."): dict(parser[name]) for name in others}
        made = {
            name: values.get("@architectures", "a block") for name, values in blocks.items() if "." not in name
        }
        return {**parser[first], **made}

    def _make_results(self, entries: Iterable[Entry], docstring: Docstring) -> Iterator[DocstringSection]:
        found: dict[str, list[tuple[str | Expr, str]]] = {name: [] for name in _RESULTS}
        for entry in entries:
            if entry.name in _RESULTS:
                text = self._format(entry.text, docstring.parent)
                types = split_types(entry.type) if entry.name == "RAISES" else [entry.type]
                found[entry.name] += [(parse_docstring_annotation(one, docstring), text) for one in types]
        for name, (make_item, make_section) in _RESULTS.items():
            if found[name]:
                yield make_section([make_item(annotation=kind, description=text) for kind, text in found[name]])

    def _find_others(self, prose: str, entries: Sequence[Entry], owner: Object | None) -> list[Entry]:
        """Find the parameters that a docstring leaves to another one."""
        reference = _ALL_ELSEWHERE.search(prose)
        other = None if reference is None else self._find(reference[1], owner)
        if other is None or other.docstring is None or not isinstance(owner, Function):
            return []
        missing = {parameter.name for parameter in owner.parameters} - {entry.name for entry in entries}
        return [entry for entry in split_docstring(other.docstring.value)[1] if entry.name in missing]

    def _complete(self, entry: Entry, owner: Object | None, depth: int = 4) -> Entry:
        """Replace "See `X`." by the text that X has for the entry."""
        reference = _ELSEWHERE.match(entry.text)
        other = None if reference is None or not depth else self._find(reference[1], owner)
        if reference is None or other is None or other.docstring is None:
            return entry
        for found in split_docstring(other.docstring.value)[1]:
            if found.name == entry.name:
                text = self._complete(found, other, depth - 1).text
                rest = reference[2]
                return entry._replace(text=f"{text} {rest[0].upper()}{rest[1:]}" if rest else text)
        return entry

    def _format(self, text: str, owner: Object | None) -> str:
        """Make Markdown: escape what has a meaning there, and link names. Indented lines stay code."""
        parts = []
        for line in re.split(r"((?:^|\n) {4}[^\n]*)", text):
            is_code = line.lstrip("\n").startswith("    ")
            parts.append(line if is_code else self._format_line(line, owner))
        return "".join(parts)

    def _format_line(self, text: str, owner: Object | None) -> str:
        parts = []
        for part in _CODE.split(text):
            name = _NAME.fullmatch(part)
            found = None if name is None else self._find(name[1], owner)
            if found is not None and found is not owner and name is not None:
                path = found.canonical_path
                parts.append(f'<autoref identifier="{path}" optional><code>{name[1]}</code></autoref>')
            elif _CODE.fullmatch(part):
                parts.append(part)
            else:
                parts.append(_SPECIAL.sub(r"\\\1", part).replace("&", "&amp;").replace("<", "&lt;"))
        return "".join(parts)

    def _find(self, name: str, owner: Object | None) -> Object | None:
        """Find what a name means in the scope of an object; None if it is nothing of the package."""
        if owner is None or name in self._get_defaults(owner):
            return None
        found = None
        first, _, rest = name.partition(".")
        for path in (name, _resolve(owner, first) + (f".{rest}" if rest else "")):
            try:
                found = self.loader.modules_collection[path]
                found = found.final_target if found.is_alias else found
                break
            except (KeyError, GriffeError, ValueError):
                continue
        if found is None and len(self.classes.get(name, [])) == 1:
            # Such as a class that is imported in a function.
            [found] = self.classes[name]
        if isinstance(found, Function) and found.docstring is None and isinstance(found.parent, Class):
            # An abstract method, which a subclass describes.
            for subclass in self.subclasses.get(found.parent.path, []):
                if found.name in subclass.members:
                    return subclass.members[found.name]  # type: ignore[return-value]
        return found if isinstance(found, Object) else None


def _write_json(value: str) -> str:
    """Write a value of Python as configs do."""
    try:
        return json.dumps(literal_eval(value))
    except ValueError:
        return value


def _resolve(owner: Object, name: str) -> str:
    """Get the path of a name in the scope of an object; the name itself if it is unknown there."""
    try:
        return owner.resolve(name)
    except GriffeError:
        return name
