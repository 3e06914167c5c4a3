import bz2
import errno
import gzip
import lzma
import os
import pickle
import re
import shutil
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.numpy
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.weights import archives, catalogue
from spacy_elmo.weights.sniff import sniff
from spacy_elmo.weights.source import find_files, open_source, read_weights
from tests.data import ROOT
from tests.platforms import named_pipes


def find_pair(source: Path) -> tuple[Path, Path]:
    options, weights = find_files(source)
    assert options is not None
    return options, weights


@pytest.fixture
def pair(tiny: Path, tmp_path: Path) -> Path:
    """A folder with a pair of files named as AllenNLP names them."""
    shutil.copy(tiny / "options.json", tmp_path / "elmo_small_options.json")
    shutil.copy(tiny / "weights.hdf5", tmp_path / "elmo_small_weights.hdf5")
    return tmp_path


def test_all_names_of_model(pair: Path) -> None:
    expected = (pair / "elmo_small_options.json", pair / "elmo_small_weights.hdf5")
    for source in (pair, str(pair), *expected, expected, [str(path) for path in expected[::-1]]):
        assert find_files(source) == expected


def test_format_by_content(tiny: Path, tmp_path: Path, elmo: Elmo) -> None:
    shutil.copy(tiny / "options.json", tmp_path / "options.json")
    shutil.copy(tiny / "weights.hdf5", tmp_path / "weights.safetensors")
    assert read_weights(tmp_path).format == "HDF5"
    elmo.save(tmp_path)
    (tmp_path / "weights.safetensors").rename(tmp_path / "weights.hdf5")
    assert read_weights(tmp_path / "weights.hdf5").format == "safetensors"


def test_home_folder(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second is of Windows.
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    shutil.copytree(tiny, tmp_path / "model")
    assert find_files("~/model")[1] == tmp_path / "model" / "weights.hdf5"


def test_suggests_names(pair: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL010.*'orginal'.*Closest: original"):
        spacy_elmo.load("orginal")
    with pytest.raises(FileNotFoundError, match=r"EL010.*Closest: .*elmo_small_weights.hdf5"):
        spacy_elmo.load(pair / "elmo_smal_weights.hdf5")
    with pytest.raises(FileNotFoundError, match="Nothing there has a similar name"):
        spacy_elmo.load("/no/such/thing")
    with pytest.raises(FileNotFoundError, match=r"EL026.*options.jso'.*elmo_small_options.json"):
        spacy_elmo.load([pair / "elmo_small_options.jso", pair / "elmo_small_weights.hdf5"])


def test_catalogue_name(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is downloaded, here from a folder, and read. A file of that name has precedence."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    (tmp_path / "mirror").mkdir()
    for file in catalogue.find("medium").files:
        shutil.copy(
            tiny / ("options.json" if file.name.endswith(".json") else "weights.hdf5"),
            tmp_path / "mirror" / file.name,
        )
    found = read_weights("medium")
    assert str(tmp_path / "cache") in found.source
    assert found.options == read_weights(tiny).options
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny, tmp_path / "medium")
    assert find_files("medium").weights == Path("medium/weights.hdf5")

    for url in (
        "https://s3-us-west-2.amazonaws.com/allennlp/models/elmo/",
        "https://allennlp.s3.amazonaws.com/models/elmo/",
    ):
        paths = [url + file.path for file in catalogue.find("medium").files]
        assert find_files(paths).weights == Path(found.source)
        assert find_files(paths[1]).weights == Path(found.source)


@pytest.mark.parametrize(
    "name", ["original", "tfhub/elmo/3", "https://tfhub.dev/google/elmo/3", "large", "en.embed.elmo", "de"]
)
def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="SPACY_ELMO_OFFLINE"):
        spacy_elmo.load(name)


def test_folder_without_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL013.*no ELMo. It contains: nothing"):
        read_weights(tmp_path)
    (tmp_path / "readme.txt").write_text("text")
    with pytest.raises(FileNotFoundError, match=r"EL013.*no ELMo. It contains: readme.txt"):
        read_weights(tmp_path)


def test_folder_with_two_models(pair: Path) -> None:
    shutil.copy(pair / "elmo_small_weights.hdf5", pair / "elmo_large_weights.hdf5")
    with pytest.raises(
        ValueError, match=r"EL014.*more than one weights file \(elmo_large_weights.hdf5, elmo_small"
    ):
        read_weights(pair)
    assert find_files(pair / "elmo_small_weights.hdf5")[0] == pair / "elmo_small_options.json"


def test_other_arrays_in_folder(pair: Path, elmo: Elmo, parity: Path) -> None:
    with h5py.File(pair / "embeddings.hdf5", "w") as file:
        file["0"] = np.zeros(3)
    safetensors.numpy.save_file({"tagger": np.zeros(3)}, pair / "tagger.safetensors")
    (pair / "broken.hdf5").write_bytes((pair / "elmo_small_weights.hdf5").read_bytes()[:600])
    (pair / "broken.safetensors").write_bytes((pair / "tagger.safetensors").read_bytes()[:20])
    assert find_files(pair)[1] == pair / "elmo_small_weights.hdf5"
    elmo.save(pair / "saved")
    shutil.copy(pair / "tagger.safetensors", pair / "saved" / "tagger.safetensors")
    assert find_files(pair / "saved")[1] == pair / "saved" / "weights.safetensors"
    assert find_files(parity / "allennlp_fixture")[1].name == "lm_weights.hdf5"


def test_folder_named_like_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the folder is empty, the name means the published model."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "de").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"EL143.*'manylangs/de' is not in the cache"):
        read_weights("de")
    with pytest.raises(FileNotFoundError, match="EL013"):
        read_weights("data")


def test_weights_of_any_name(tiny: Path, tmp_path: Path) -> None:
    shutil.copy(tiny / "options.json", tmp_path)
    shutil.copy(tiny / "weights.hdf5", tmp_path / "model.hdf5")
    assert find_files(tmp_path / "options.json") == (tmp_path / "options.json", tmp_path / "model.hdf5")


def test_data_in_a_zip(tiny: Path, tmp_path: Path) -> None:
    """PyTorch's zip files are recognised by other names."""
    folder = tmp_path / "213"
    shutil.copytree(tiny, folder / "inner")
    (folder / "inner" / "training_data.pkl").write_bytes(b"x")
    assert read_weights(shutil.make_archive(str(folder), "zip", folder / "inner")).format == "HDF5"


def test_archive_in_folder(tmp_path: Path) -> None:
    """AllenNLP's training leaves such a folder."""
    shutil.copy(ROOT / "tests/allennlp/model.tar.gz", tmp_path)
    assert read_weights(tmp_path).has_mix
    (tmp_path / "metrics.json").write_text("{}")
    assert find_files(tmp_path) == (None, tmp_path / "model.tar.gz")


def test_warnings_name_archive(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "copy")
    with h5py.File(tmp_path / "copy" / "weights.hdf5", "r+") as file:
        file["CNN_proj/b_proj"][0] = np.nan
    archive = shutil.make_archive(str(tmp_path / "copy"), "zip", tmp_path / "copy")
    with pytest.warns(UserWarning, match=rf"WL001.*{re.escape(archive)}[/\\]weights.hdf5") as caught:
        read_weights(archive)
    assert len(caught) == 1


def test_names_of_any_length() -> None:
    with pytest.raises(FileNotFoundError, match="EL010"):
        read_weights("x" * 5000)


def test_outputs_in_folder(parity: Path, tmp_path: Path) -> None:
    """Embeddings in HDF5 are not a model."""
    shutil.copytree(parity / "tf_checkpoint", tmp_path / "run", ignore=shutil.ignore_patterns("*/*"))
    with h5py.File(tmp_path / "run" / "embeddings.hdf5", "w") as file:
        file["0"] = np.zeros(3)
    assert find_files(tmp_path / "run").weights.name == "model.ckpt-123456.index"


def test_starting_weights_in_folder(tiny: Path, tmp_path: Path) -> None:
    """An archive of AllenNLP may have both; the trained weights are used."""
    shutil.unpack_archive(ROOT / "tests/allennlp/model.tar.gz", tmp_path, filter="data")
    shutil.copyfile(tiny / "weights.hdf5", tmp_path / "weights.hdf5")
    assert (tmp_path / "options.json").is_file()
    assert find_files(tmp_path) == (tmp_path / "config.json", tmp_path / "weights.th")
    assert read_weights(tmp_path).has_mix
    (tmp_path / "config.json").unlink()
    assert find_files(tmp_path).weights == tmp_path / "weights.hdf5"
    (tmp_path / "weights.hdf5").unlink()
    assert find_files(tmp_path) == (tmp_path / "options.json", tmp_path / "weights.th")


def test_options_without_weights(pair: Path) -> None:
    options, weights = find_pair(pair)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"EL013.*no weights"):
        read_weights(options)


@pytest.mark.parametrize("bad", [None, 3, "", ["a"], ["a", "b", "c"], ["a", 3], {"a": 1}])
def test_wrong_types(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"EL02[57]"):
        read_weights(bad)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": [1.0]}))


def write_torch(path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, path)


def write_old_torch(path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [write_pickle, write_torch, write_old_torch])
def test_a_pickle_is_refused(pair: Path, write: Any) -> None:
    options, weights = find_pair(pair)
    write(weights)
    match = r"EL017.*is a pickle.*was not read" if write is write_pickle else r"EL163.*contains no ELMo.*weight\."
    for source in (pair, weights, [options, weights]):
        with pytest.raises(ValueError, match=match):
            read_weights(source)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"plain text", "not a known kind"),
        (b"\0" * 257 + b"ustar" + b"\0" * 300, "a tar archive"),
        (b'{"a": 1}', "a JSON file"),
    ],
)
def test_not_weights(pair: Path, content: bytes, what: str) -> None:
    options, weights = find_pair(pair)
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=f"EL016.*is {what}"):
        read_weights([options, weights])


def test_zip_is_named(tmp_path: Path, tiny: Path) -> None:
    path = tmp_path / "weights.hdf5"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.hdf5", "x")
    with pytest.raises(ValueError, match=r"EL016.*a zip archive"):
        read_weights([tiny / "options.json", path])
    path.write_bytes(path.read_bytes()[:40])
    assert sniff(path) == "zip"


@pytest.mark.parametrize("format", ["zip", "gztar", "tar"])
@pytest.mark.parametrize("kind", ["hdf5", "safetensors"])
def test_archives(tmp_path: Path, elmo: Elmo, tiny: Path, format: str, kind: str) -> None:
    """NLPL publishes models as zips of model.hdf5, options.json and vocab.txt."""
    folder = tmp_path / "213"
    folder.mkdir()
    if kind == "hdf5":
        shutil.copy(tiny / "options.json", folder)
        shutil.copy(tiny / "weights.hdf5", folder / "model.hdf5")
    else:
        elmo.save(folder)
    (folder / "vocab.txt").write_text("<S>\n</S>\n<UNK>\n")
    archive = shutil.make_archive(str(tmp_path / "213"), format, folder)
    inside = set(tmp_path.iterdir())
    found, expected = read_weights(archive), elmo.named_arrays()
    assert found.source == archive
    assert all(np.array_equal(expected[name], array) for name, array in found.arrays.items())
    assert set(tmp_path.iterdir()) == inside
    with open_source(archive) as files:
        unpacked = files.files.weights
        assert unpacked.is_file()
        assert files.is_unpacked
    assert not unpacked.exists()


def test_nested_archives(tmp_path: Path, tiny: Path) -> None:
    """Spark NLP's models are two levels deep. Endless nesting is refused."""
    inner = Path(shutil.make_archive(str(tmp_path / "0"), "zip", tiny))
    for depth in range(1, 5):
        folder = tmp_path / f"in{depth}"
        folder.mkdir()
        shutil.copy(inner, folder / "elmo_tensorflow")
        inner = Path(shutil.make_archive(str(tmp_path / str(depth)), "zip", folder))
        if depth < 3:
            assert read_weights(inner).options == read_weights(tiny).options
        else:
            with pytest.raises(ValueError, match=r"EL016.*is a zip archive"):
                read_weights(inner)


def test_errors_name_archive(tmp_path: Path, tiny: Path, pair: Path) -> None:
    (pair / "elmo_small_options.json").write_text("{}")
    archive = shutil.make_archive(str(tmp_path.parent / "broken"), "zip", pair)
    with pytest.raises(ValueError, match=rf"EL002.*{re.escape(archive)}[/\\]elmo_small_options.json"):
        read_weights(archive)
    (pair / "elmo_small_weights.hdf5").unlink()
    archive = shutil.make_archive(str(tmp_path.parent / "less"), "zip", pair)
    with pytest.raises(
        FileNotFoundError, match=rf"EL013.*{re.escape(archive)}' contains no ELMo. It contains: elmo_small_options"
    ):
        read_weights(archive)


def test_options_not_json(pair: Path) -> None:
    options, weights = find_pair(pair)
    for content in (b"{not json", b"", b"\xff\xfe", b'{"a":' * 100_000):
        options.write_bytes(content)
        for source in (pair, options, weights, [options, weights]):
            with pytest.raises(ValueError, match=r"EL005.*elmo_small_options.json is not valid JSON"):
                read_weights(source)


def test_a_folder_in_a_pair(pair: Path) -> None:
    with pytest.raises(ValueError, match=r"EL028.*is a folder, but a pair"):
        read_weights([pair, pair / "elmo_small_weights.hdf5"])


def test_weights_twice(pair: Path) -> None:
    weights = find_files(pair)[1]
    with pytest.raises(ValueError, match=r"EL005.*not valid JSON"):
        read_weights([weights, weights])


def test_a_home_of_nobody() -> None:
    with pytest.raises(FileNotFoundError, match="EL010"):
        read_weights("~no-such-user/model")


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to change."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


@named_pipes
@pytest.mark.parametrize("name", ["options.json", "weights.hdf5"])
def test_a_named_pipe(model: Path, name: str) -> None:
    """Reading it would block for ever."""
    (model / name).unlink()
    os.mkfifo(model / name)
    with pytest.raises((ValueError, FileNotFoundError), match=r"EL0|EL251"):
        read_weights(model)
    with pytest.raises(ValueError, match=rf"EL251.*{name}' is a named pipe"):
        read_weights([model / "options.json", model / "weights.hdf5"])
    with pytest.raises(ValueError, match=rf"EL251.*{name}' is a named pipe"):
        read_weights(model / name)


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="needs Linux's /proc")
def test_options_of_the_kernel(model: Path) -> None:
    (model / "options.json").unlink()
    (model / "options.json").symlink_to("/proc/kmsg")
    with pytest.raises((ValueError, OSError), match=r"EL005|EL253"):
        read_weights(model)


def test_large_options(model: Path) -> None:
    with (model / "options.json").open("r+b") as file:
        file.truncate(5 << 30)
    with pytest.raises(ValueError, match=r"EL252.*options.json' has 5,368,709,120 bytes"):
        read_weights(model)


@pytest.mark.parametrize(
    ("ending", "compress", "command"),
    [(".gz", gzip.compress, "gunzip"), (".bz2", bz2.compress, "bunzip2"), (".xz", lzma.compress, "unxz"),
     (".zst", lambda data: b"\x28\xb5\x2f\xfd" + data, "unzstd")],
)  # fmt: skip
def test_compressed_weights(model: Path, ending: str, compress: Callable[[bytes], bytes], command: str) -> None:
    weights = model / "weights.hdf5"
    packed = weights.with_name(weights.name + ending)
    packed.write_bytes(compress(weights.read_bytes()))
    weights.unlink()
    for source in (model, packed, [model / "options.json", packed]):
        with pytest.raises(ValueError, match=rf"EL258.*is compressed .*Unpack it first: {command} {packed}$"):
            read_weights(source)


@pytest.mark.parametrize("mode", ["w:bz2", "w:xz"])
def test_other_packed_archives(model: Path, tiny: Path, tmp_path: Path, mode: Any) -> None:
    with tarfile.open(tmp_path / "model.tar", mode) as archive:
        archive.add(model, "model")
    (tmp_path / "folder").mkdir()
    shutil.copy(tmp_path / "model.tar", tmp_path / "folder")
    for source in (tmp_path / "model.tar", tmp_path / "folder"):
        read, expected = read_weights(source).arrays, read_weights(tiny).arrays
        assert all(np.array_equal(read[name], array) for name, array in expected.items())


def test_folders_in_folders(tmp_path: Path, tiny: Path) -> None:
    inner = tmp_path / "outer" / "/".join("d" * 30)
    shutil.copytree(tiny, inner)
    assert read_weights(tmp_path / "outer").n_parameters
    deep = tmp_path / "deep"
    deep.mkdir()
    here = os.open(tmp_path / "deep", os.O_RDONLY)
    # Deeper than a path can be.
    for _ in range(1200):
        os.mkdir("f", dir_fd=here)
        here, above = os.open("f", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    try:
        with pytest.raises(ValueError, match=r"EL263.*depth of 40 or more"):
            read_weights(deep)
    finally:
        # pytest cannot remove such a folder.
        subprocess.run(["rm", "-rf", str(deep)], check=True)


@pytest.mark.parametrize("length", [300, 5000])
def test_long_paths(tmp_path: Path, length: int) -> None:
    long = "x" * length
    for source in (long, [tmp_path / long, tmp_path / long], tmp_path / long):
        with pytest.raises(FileNotFoundError, match=r"EL010|EL026"):
            read_weights(source)


def test_misspelt_name_in_large_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"weights_{number:05}.hdf5" for number in range(50_000)]
    monkeypatch.setattr(os, "listdir", lambda path: names)
    start = time.perf_counter()
    with pytest.raises(FileNotFoundError, match=r"EL010.*weights_0123\d\.hdf5"):
        read_weights(tmp_path / "weights_01234.hdf")
    assert time.perf_counter() - start < 5


def test_hides_credentials() -> None:
    for source in ("https://user:s3cret@example.com/elmo/options.json?token=t0ken",):
        with pytest.raises(FileNotFoundError, match=r"EL143.*https://example.com/elmo/options.json") as caught:
            read_weights(source)
        assert "s3cret" not in str(caught.value)
        assert "t0ken" not in str(caught.value)
        with pytest.raises(FileNotFoundError, match="EL029") as caught:
            read_weights([source, "weights.hdf5"])
        assert "s3cret" not in str(caught.value)
        assert "t0ken" not in str(caught.value)


def test_no_room_to_unpack(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = shutil.make_archive(str(tmp_path / "model"), "zip", tiny)
    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(OSError, match=r"EL142.*No space left.*TMPDIR"):
        read_weights(archive)


@pytest.mark.parametrize("number", [0, 1])
def test_address_beside_a_path(number: int, tiny: Path) -> None:
    pair = [str(tiny / "options.json"), str(tiny / "weights.hdf5")]
    pair[number] = "https://user:secret@example.com/elmo_options.json"
    match = r"EL029.*'https://example\.com/elmo_options\.json' is an address.*Give two addresses or two paths"
    with pytest.raises(FileNotFoundError, match=match) as found:
        find_files(pair)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("source", ["file://[", "file:///]", "~\0a", "~\ud800/a", "https:/[", "hf:", "[/a.zip"])
def test_no_path(source: str) -> None:
    """What no system takes as a path is not there."""
    with pytest.raises(FileNotFoundError, match="EL010"):
        find_files(source)
    with pytest.raises(FileNotFoundError, match="EL026"):
        find_files([source, source])
