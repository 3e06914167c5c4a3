"""What an installed package must have: entry points that resolve, a light import, errors for what is missing."""

import configparser
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import spacy

import spacy_elmo
from tests.data import ROOT

ENTRY_POINTS = {
    ("console_scripts", "spacy-elmo"),
    ("spacy_factories", "elmo_embedder"),
    ("spacy_architectures", "spacy-elmo.Elmo.v1"),
    ("spacy_misc", "spacy-elmo.sent_spans.v1"),
    ("spacy_misc", "spacy-elmo.doc_spans.v1"),
    ("spacy_misc", "spacy-elmo.layer_cache.v1"),
    ("spacy_architectures", "spacy-elmo.ElmoListener.v1"),
    ("spacy_architectures", "spacy-elmo.ElmoTok2Vec.v1"),
    ("spacy_architectures", "spacy-elmo.BiLSTMEncoder.v1"),
    ("spacy_batchers", "spacy-elmo.entity_variants.v1"),
    ("spacy_callbacks", "spacy-elmo.relink.v1"),
}


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_entry_point_resolves() -> None:
    points = distribution("spacy-elmo").entry_points
    assert {(point.group, point.name) for point in points} == ENTRY_POINTS
    for point in points:
        assert callable(point.load())


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        ("architectures", "spacy-elmo.Elmo.v1"),
        ("architectures", "spacy-elmo.BiLSTMEncoder.v1"),
        ("batchers", "spacy-elmo.entity_variants.v1"),
        ("misc", "spacy-elmo.sent_spans.v1"),
        ("misc", "spacy-elmo.doc_spans.v1"),
        ("misc", "spacy-elmo.layer_cache.v1"),
        ("architectures", "spacy-elmo.ElmoListener.v1"),
        ("architectures", "spacy-elmo.ElmoTok2Vec.v1"),
        ("callbacks", "spacy-elmo.relink.v1"),
    ],
)
def test_spacy_finds_the_functions(registry: str, name: str) -> None:
    assert spacy.registry.has(registry, name)
    assert spacy.registry.get(registry, name).__module__.startswith("spacy_elmo.")


def test_version() -> None:
    assert distribution("spacy-elmo").version == spacy_elmo.__version__


def test_import_is_light() -> None:
    heavy = ["torch", "spacy", "thinc", "h5py", "typer", "rich", "numpy"]
    assert run(f"import sys, spacy_elmo; print([m for m in {heavy} if m in sys.modules])").strip() == "[]"


def test_imports_of_a_pipeline_without_elmo() -> None:
    """spaCy imports the factory's module for every pipeline of every user."""
    code = "import sys, spacy; spacy.blank('en'); print(*(m for m in sys.modules if m.startswith('spacy_elmo.')))"
    rooms = {name.split(".")[1] for name in run(code).split()}
    assert rooms == {"pipeline", "layer_cache", "errors"}
    late = ["safetensors", "matplotlib", "tensorflow", "triton", "filelock", "torch._dynamo", "torch._inductor"]
    assert run(f"import sys, spacy; spacy.blank('en'); print([m for m in {late} if m in sys.modules])") == "[]\n"


def test_help_imports_nothing_that_computes() -> None:
    late = [
        "torch", "spacy", "thinc", "h5py", "matplotlib", "tensorflow", "requests", "triton", "scipy", "sympy",
        "starlette", "uvicorn", "anyio", "orjson",
    ]  # fmt: skip
    code = f"""
import sys
sys.argv = ["spacy-elmo", "--help"]
from spacy_elmo.cli import main
try:
    main()
except SystemExit:
    print([m for m in {late} if m in sys.modules])
"""
    assert run(code).splitlines()[-1] == "[]"


def test_without_h5py(tiny: Path) -> None:
    code = f"""
import sys
sys.modules["h5py"] = None
import spacy
nlp = spacy.blank("en")
nlp.add_pipe("elmo_embedder", config={{"source": {str(tiny)!r}}})
try:
    nlp("text")
except ImportError as error:
    print(error)
"""
    assert "pip install h5py" in run(code)


def test_data_is_packaged() -> None:
    """Whatever is no module is named in setup.cfg, for wheels, and in MANIFEST.in, for source distributions."""
    if not (ROOT / "setup.cfg").is_file():
        pytest.skip("an installed package, without its source tree")
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = [pattern.strip() for pattern in config["options.package_data"]["spacy_elmo"].split(",")]
    package = ROOT / "spacy_elmo"
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    named = {path for pattern in patterns for path in package.glob(pattern)}
    assert package / "data" / "warm_sentences.txt" in files
    assert files - named == set()
    assert "recursive-include spacy_elmo/data *" in (ROOT / "MANIFEST.in").read_text("utf-8").splitlines()


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'embedd'"):
        spacy_elmo.embedd  # noqa: B018
    assert {"load", "Elmo", "LayerOutputs", "install_hooks"} <= set(dir(spacy_elmo))


def test_every_error_has_its_code() -> None:
    from spacy_elmo.errors import Errors, Warnings

    for table in (Errors, Warnings):
        for name, text in vars(table).items():
            if not name.startswith("_"):
                assert text.startswith(f"[{name}] ")


def test_every_error_is_used() -> None:
    package = Path(spacy_elmo.__file__).parent
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    from spacy_elmo.errors import Errors, Warnings

    names = [f"Errors.{name}" for name in vars(Errors)] + [f"Warnings.{name}" for name in vars(Warnings)]
    assert [name for name in names if not name.split(".")[1].startswith("_") and name not in code] == []
