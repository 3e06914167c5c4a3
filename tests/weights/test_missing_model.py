"""Why a model cannot be read: files in its place, links to nothing, downloads that were not finished."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch

import spacy_elmo
from spacy_elmo.language_model.storage import read_language_model
from spacy_elmo.weights.source import find_files, read_weights
from tests.data import ROOT
from tests.language_models import full_softmax, write_source
from tests.platforms import links

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 374434776\n" % (b"a" * 64)
SENTENCES = [["It", "is", "for", "us"]]


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def replace(path: Path, content: bytes = POINTER) -> Path:
    path.write_bytes(content)
    return path


# Pointers of Git LFS


def test_pointer_to_weights(model: Path, tmp_path: Path) -> None:
    """Whatever is given, and packed as well."""
    path = replace(model / "weights.hdf5")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", model)
    match = (
        r"EL299.*weights.hdf5' is not the file itself, which has 374,434,776 bytes, but a pointer of Git LFS to it"
        r".*`git lfs pull`.*hf://owner/name"
    )
    for source in (model, path, model / "options.json", [path, model / "options.json"], archive):
        with pytest.raises(ValueError, match=match):
            read_weights(source)


@pytest.mark.parametrize("name", ["elmo.bin", "model.zip", "elmo_x_weights.hdf5", "model.ckpt-3.index"])
def test_pointers_of_other_names(model: Path, name: str) -> None:
    (model / "weights.hdf5").unlink()
    path = replace(model / name)
    if path.suffix != ".zip":
        replace(model / "a.png")
    for source in (model, path):
        with pytest.raises(ValueError, match=rf"EL299.*{name}' is not the file itself"):
            read_weights(source)


def test_pointer_to_options(model: Path) -> None:
    replace(model / "options.json")
    for source in (model, model / "weights.hdf5"):
        with pytest.raises(ValueError, match=r"EL299.*options.json' is not the file itself"):
            read_weights(source)


def test_pointer_without_a_size(model: Path) -> None:
    replace(model / "weights.hdf5", POINTER[:45])
    with pytest.raises(ValueError, match=r"EL299.*is not the file itself, but a pointer"):
        read_weights(model)


def test_pointer_in_allennlp_archive(tmp_path: Path) -> None:
    shutil.unpack_archive(ROOT / "tests/allennlp/model.tar.gz", tmp_path, filter="data")
    for name in ("config.json", "options.json", "weights.th"):
        before = (tmp_path / name).read_bytes()
        replace(tmp_path / name)
        with pytest.raises(ValueError, match=rf"EL299.*{name}' is not the file itself"):
            read_weights(tmp_path)
        (tmp_path / name).write_bytes(before)


def test_pointer_in_manylangs(parity: Path, tmp_path: Path) -> None:
    for name in ("encoder.pkl", "token_embedder.pkl", "char.dic", "word.dic", "config.json"):
        folder = Path(shutil.copytree(parity / "manylangs/word_char", tmp_path / name))
        replace(folder / name)
        with pytest.raises(ValueError, match=rf"EL299.*{name}' is not the file itself"):
            read_weights(folder)


@pytest.mark.needs("tensorflow")
def test_pointer_in_checkpoint(parity: Path, tmp_path: Path) -> None:
    for name in ("model.ckpt-1056.index", "model.ckpt-1056.data-00000-of-00001"):
        folder = Path(shutil.copytree(parity / "lm", tmp_path / name, ignore=shutil.ignore_patterns("*.hdf5")))
        replace(folder / name)
        with pytest.raises(ValueError, match=rf"EL299.*{name}' is not the file itself"):
            read_weights(folder)


def test_pointer_to_vocabulary(tmp_path: Path) -> None:
    source = write_source(tmp_path, full_softmax())
    replace(source / "vocab.txt")
    with pytest.raises(ValueError, match=r"EL299.*vocab.txt' is not the file itself"):
        read_language_model(source)


@pytest.mark.filterwarnings("ignore:.*W095")
def test_pointer_in_saved_pipeline(tmp_path: Path) -> None:
    pipeline = Path(shutil.copytree(ROOT / "tests/saved/pipeline", tmp_path / "pipeline"))
    replace(pipeline / "elmo_embedder/model/weights.safetensors")
    with pytest.raises(ValueError, match=r"EL299.*weights.safetensors' is not the file itself"):
        spacy.load(pipeline)


# Links


@links
@pytest.mark.parametrize(
    "name", ["weights.hdf5", "elmo_weights.hdf5", "elmo.th", "options.json", "elmo_options.json"]
)
def test_link_to_nothing(model: Path, name: str) -> None:
    """Options that are not there are not made up."""
    kind = "options.json" if "options" in name else "weights.hdf5"
    (model / kind).unlink()
    (model / name).symlink_to("nothing")
    for source in (model, model / name, next(path for path in model.iterdir() if path.exists())):
        with pytest.raises(FileNotFoundError, match=rf"EL298.*{name}' is a link to a file that does not exist"):
            read_weights(source)


@links
@pytest.mark.parametrize("name", ["weights.hdf5", "options.json"])
def test_link_to_itself(model: Path, name: str) -> None:
    (model / name).unlink()
    (model / name).symlink_to(name)
    for source in (model, model / "options.json", model / "weights.hdf5", [*model.iterdir()]):
        with pytest.raises(OSError, match=rf"EL253.*{name}' cannot be read .*links form a loop"):
            read_weights(source)


@links
def test_unfinished_download(tiny: Path, tmp_path: Path) -> None:
    """As huggingface_hub leaves it: the link is made when the file is complete."""
    repository = tmp_path / "hub/models--owner--elmo"
    snapshot, blobs = repository / "snapshots/f1b1ba1", repository / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    shutil.copy(tiny / "options.json", blobs / "0")
    (snapshot / "options.json").symlink_to("../../blobs/0")
    (blobs / "1.2.incomplete").write_bytes((tiny / "weights.hdf5").read_bytes()[:99])
    match = (
        r"EL303.*f1b1ba1' is in the cache of Hugging Face.*unfinished files \(1\.2\.incomplete\).*hf://owner/elmo$"
    )
    for source in (tmp_path / "hub", repository, snapshot, snapshot / "options.json"):
        with pytest.raises(FileNotFoundError, match=match):
            read_weights(source)
    # Unfinished files of another revision do not matter.
    shutil.copy(tiny / "weights.hdf5", snapshot)
    assert read_weights(repository).options == read_weights(tiny).options
    (snapshot / "weights.hdf5").unlink()
    (blobs / "1.2.incomplete").unlink()
    with pytest.raises(FileNotFoundError, match=r"EL013.*contains: options.json\."):
        read_weights(repository)


# Broken files


CONTENTS = {
    "empty": (lambda data: b"", "EL016.*is an empty file"),
    "page": (lambda data: b"<!doctype html><html>404</html>", "EL016.*is a web page"),
    "unknown": (lambda data: b"\0" * 600, "EL016.*is not a known kind"),
    "pointer": (lambda data: POINTER, "EL299"),
    "truncated": (lambda data: data[: len(data) // 2], "EL018.*truncated or damaged"),
    "overwritten": (lambda data: data[:100] + bytes(len(data) - 100), "EL018.*truncated or damaged"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_broken_weights(model: Path, kind: str) -> None:
    """They are what is wrong, also if the folder has other weights, which may be those of another model."""
    change, match = CONTENTS[kind]
    good = (model / "weights.hdf5").read_bytes()
    replace(model / "weights.hdf5", change(good))
    for source in (model, model / "weights.hdf5", model / "options.json"):
        with pytest.raises(ValueError, match=match):
            read_weights(source)
    replace(model / "other.hdf5", good)
    with pytest.raises(ValueError, match=r"EL014.*more than one weights file \(other.hdf5, weights.hdf5\)"):
        read_weights(model)
    expected = spacy_elmo.load([model / "options.json", model / "other.hdf5"]).embed(SENTENCES)[0].stack()
    # Beside the weights whose name goes with the options, broken ones do not matter.
    (model / "weights.hdf5").rename(model / "a.hdf5")
    (model / "other.hdf5").rename(model / "weights.hdf5")
    assert np.array_equal(spacy_elmo.load(model).embed(SENTENCES)[0].stack(), expected)


def test_broken_state(model: Path) -> None:
    """Of two states of AllenNLP's, one is cut short."""
    (model / "weights.hdf5").unlink()
    data = (ROOT / "tests/allennlp/two_mixes/weights.th").read_bytes()
    replace(model / "a.pt", data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"EL161.*a.pt' cannot be read"):
        read_weights(model)
    replace(model / "b.pt", data)
    with pytest.raises(ValueError, match=r"EL014.*\(a.pt, b.pt\)"):
        read_weights(model)
    # A file of another program is no damaged one.
    torch.save(torch.nn.Linear(2, 2), model / "a.pt")
    assert find_files(model).weights == model / "b.pt"


def test_many_files(model: Path) -> None:
    """A message names some."""
    for number in range(30):
        shutil.copy(model / "weights.hdf5", model / f"{number:02}.hdf5")
    with pytest.raises(ValueError, match=r"EL014.*\(00.hdf5, .*07.hdf5 and 23 more\)"):
        read_weights(model)


def test_other_programs(tmp_path: Path) -> None:
    """BERT, in PyTorch's and in safetensors' form."""
    bert: dict[str, torch.Tensor] = {"bert.embeddings.word_embeddings.weight": torch.zeros(3, 2)}
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    path = tmp_path / "pytorch_model.bin"
    torch.save(bert, path)
    for source in (tmp_path, path, tmp_path / "config.json"):
        with pytest.raises(ValueError, match=r"EL163.*contains no ELMo.*It contains bert.embeddings"):
            read_weights(source)
    path.unlink()
    from safetensors.torch import save_file

    save_file(bert, tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match=r"EL013.*config.json, model.safetensors"):
        read_weights(tmp_path)
    with pytest.raises(ValueError, match=r"EL135.*'char_encoder.embedding.weight' is missing"):
        read_weights(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda state: {"state_dict": state, "epoch": 3}, r"EL302.*: 'epoch' \(int\), 'state_dict' \(.*\[KEY\]"),
        (lambda state: [state], r"EL302.*other things than named tensors: list\."),
        (lambda state: torch.nn.Linear(2, 2), r"EL160.*asks for torch.nn.modules.linear.Linear.*state_dict\(\)"),
    ],
)
def test_more_than_tensors(model: Path, make: Callable[[dict[str, torch.Tensor]], object], match: str) -> None:
    (model / "weights.hdf5").unlink()
    state = torch.load(ROOT / "tests/allennlp/two_mixes/weights.th", weights_only=True)
    torch.save(make(state), model / "last.ckpt")
    for source in (model, model / "last.ckpt", [model / "options.json", model / "last.ckpt"]):
        with pytest.raises(ValueError, match=match):
            read_weights(source)


@pytest.mark.parametrize("place", ["model", "elmo_embedder/model"])
def test_the_folder_around_a_model(place: str, tmp_path: Path, tiny: Path) -> None:
    """A run of pre-training, or a saved pipeline: the message names the model in it."""
    shutil.copytree(tiny, tmp_path / "outer" / place)
    (tmp_path / "outer" / "config.cfg").touch()
    (tmp_path / "outer" / "checkpoints").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"EL013.*Give '.*outer.{place.replace('/', '.')}'") as raised:
        spacy_elmo.load(tmp_path / "outer")
    assert raised.value.code == "EL013"  # type: ignore[attr-defined]
