"""How docstrings in spaCy's style become sections of the reference."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytestmark = pytest.mark.needs("mkdocstrings")

MODULE = '''
    """A module; see `compute`.

        from package import compute

    It has one_name.
    """
    from typing import NamedTuple

    NAME, SIZE = "a", 3
    DEFAULT = "small"
    CONFIG = """
    [component]
    size = 3
    name = null

    [component.model]
    @architectures = "model.v1"
    """


    class Pair(NamedTuple):
        """Two things.

        one (int): The first.
        other (int): The second_one.
        """

        one: int
        other: int


    class Base:
        def run(self, text: str) -> None: ...

        def call(self) -> None:
            """Call; see `run`.

            RAISES (KeyError, dict[str, ValueError]): As `run`.
            """


    class Model(Base):
        """A model.

        size (int): Its size,
            in `units`.
        name (str): Its name.
        part (str): Made of both.
        """

        def __init__(self, size: int = 3, name: str = DEFAULT):
            self.part = name

        def run(self, text: str) -> None:
            """Run *this* over doc._.elmo and <b>.

            text (str | None): See `compute`.
            """


    def compute(text: str, n: int = 2, *more: int, size: int = 1) -> int:
        """Compute `n` numbers of a `Model`, not as `compute` elsewhere.

        text (Callable[[str], dict]): A text. None: `unknown`.
        n (int): How many.
        more (int): Others.
        size (int): See `Model`; not more.
        RETURNS (int): The sum.
        RAISES (ValueError): If `n` is 0 (or less): no entry.
        """


    def stream(text, n=2):
        """Yield the same. The arguments are those of `compute`.

        n (int): Where it ends.
        YIELDS (int): Each.
        """


    def make(nlp, model, size: int, name: str | None):
        """Make it.

        nlp (Language): The pipeline.
        model (Model): The model.
        size (int): See `Model`.
        name (str | None): The name.
        """


    def build(width: int | None = None, name: str = "a", deep: bool = True):
        """Build it.

        width (int | None): The width.
        name (str): The name.
        deep (bool): Whether it is deep.
        """
'''


@pytest.fixture
def package(tmp_path: Path) -> Any:
    import griffe

    from scripts.site.spacy_docstrings import SpacyDocstrings

    (tmp_path / "package.py").write_text(dedent(MODULE), "utf-8")
    configs = {"package.make": "package.CONFIG", "package.build": None}
    extension = SpacyDocstrings(attributes={"package.Base": []}, configs=configs)
    return griffe.load("package", search_paths=[tmp_path], extensions=griffe.load_extensions(extension))


def sections(found: Any) -> dict[str, Any]:
    """The sections by kind: text, or (name, type, text, default) of each entry."""
    made: dict[str, Any] = {}
    for section in found.docstring.parsed:
        value = section.value
        if not isinstance(value, str):
            value = [
                (getattr(one, "name", ""), str(one.annotation), one.description, getattr(one, "value", None))
                for one in value
            ]
        made[section.kind.value] = value
    return made


def link(path: str, name: str) -> str:
    return f'<autoref identifier="{path}" optional><code>{name}</code></autoref>'


def test_function(package: Any) -> None:
    found = sections(package["compute"])
    model = link("package.Model", "Model")
    assert found["text"] == f"Compute `n` numbers of a {model}, not as `compute` elsewhere."
    assert found["parameters"] == [
        ("text", "Callable[[str], dict]", "A text. None: `unknown`.", None),
        ("n", "int", "How many.", "2"),
        ("more", "int", "Others.", None),
        ("size", "int", "Its size,\nin `units`. Not more.", "1"),
    ]
    assert found["returns"] == [("", "int", "The sum.", None)]
    assert found["raises"] == [("", "ValueError", "If `n` is 0 (or less): no entry.", None)]


def test_class(package: Any) -> None:
    found = sections(package["Model"])
    assert found["parameters"] == [
        ("size", "int", "Its size,\nin `units`.", "3"),
        ("name", "str", "Its name.", "'small'"),
    ]
    assert found["attributes"] == [("part", "str", "Made of both.", None)]


def test_named_tuple(package: Any) -> None:
    names = [(name, text) for name, _, text, _ in sections(package["Pair"])["attributes"]]
    assert names == [("one", "The first."), ("other", r"The second\_one.")]


def test_special_characters_are_text(package: Any) -> None:
    assert sections(package["Model.run"])["text"] == r"Run \*this\* over doc.\_.elmo and &lt;b>."


def test_code_stays(package: Any) -> None:
    text = sections(package)["text"]
    see = link("package.compute", "compute")
    assert text == f"A module; see {see}.\n\n    from package import compute\n\nIt has one\\_name."


def test_entry_of_another_docstring(package: Any) -> None:
    assert sections(package["Model.run"])["parameters"] == [
        ("text", "str | None", "A text. None: `unknown`.", None)
    ]


def test_arguments_of_another_docstring(package: Any) -> None:
    found = sections(package["stream"])
    assert [(name, default) for name, _, _, default in found["parameters"]] == [("n", "2"), ("text", None)]
    assert found["yields"] == [("", "int", "Each.", None)]
    assert link("package.compute", "compute") in found["text"]


def test_abstract_method_is_that_of_a_subclass(package: Any) -> None:
    found = sections(package["Base.call"])
    run = link("package.Model.run", "run")
    assert found["text"] == f"Call; see {run}."
    assert found["raises"] == [
        ("", "KeyError", f"As {run}.", None),
        ("", "dict[str, ValueError]", f"As {run}.", None),
    ]


def test_defaults_of_a_config(package: Any) -> None:
    found = sections(package["make"])
    assert "attributes" not in found
    assert [(name, default) for name, _, _, default in found["parameters"]] == [
        ("model", '"model.v1"'),
        ("size", "3"),
        ("name", "null"),
    ]


def test_defaults_as_configs_write_them(package: Any) -> None:
    found = [default for _, _, _, default in sections(package["build"])["parameters"]]
    assert found == ["null", '"a"', "true"]
