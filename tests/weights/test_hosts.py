import pytest

from spacy_elmo.weights.hosts import to_file_url


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("https://github.com/a/b/blob/main/c/w.hdf5", "https://github.com/a/b/raw/main/c/w.hdf5"),
        ("https://github.com/a/b/releases/download/v1/elmo.zip", None),
        ("https://github.com/a/b", None),
        ("https://huggingface.co/a/b/blob/main/c/w.hdf5", "https://huggingface.co/a/b/resolve/main/c/w.hdf5"),
        ("https://hf.co/a/b/blob/v1/w.hdf5?x=1", "https://hf.co/a/b/resolve/v1/w.hdf5?x=1"),
        ("https://huggingface.co/a/b/resolve/main/w.hdf5", None),
        ("https://www.dropbox.com/s/abc/elmo.zip?dl=0", "https://www.dropbox.com/s/abc/elmo.zip?dl=1"),
        ("https://www.dropbox.com/sh/a/b?dl=0", "https://www.dropbox.com/sh/a/b?dl=1"),
        (
            "https://drive.google.com/file/d/1a-B_c/view?usp=sharing",
            "https://drive.usercontent.google.com/download?id=1a-B_c&export=download&confirm=t",
        ),
        (
            "https://drive.google.com/open?id=1a-B_c",
            "https://drive.usercontent.google.com/download?id=1a-B_c&export=download&confirm=t",
        ),
        ("https://drive.google.com/drive/folders/1a", None),
        ("https://example.com/blob/main/w.hdf5", None),
    ],
)
def test_pages(page: str, file: "str | None") -> None:
    assert to_file_url(page) == (file or page)
