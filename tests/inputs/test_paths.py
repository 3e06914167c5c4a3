import os
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.inputs.paths import find_inputs, parse_name
from tests.platforms import links, named_pipes


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text\n")


def names(folder: Path, *given: Any, **settings: Any) -> list[str]:
    return [
        file.path.relative_to(folder).as_posix()
        for file in find_inputs([folder / one for one in given], **settings)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", ("txt", None)),
        ("A.TXT.GZ", ("txt", ".gz")),
        ("a.conllu.xz", ("conllu", ".xz")),
        ("a.jsonl.bz2", ("jsonl", ".bz2")),
        ("a.spacy.gz", ("spacy", ".gz")),
        ("news.jsonl.txt", ("txt", None)),
        ("news.en-00001-of-00100", (None, None)),
        ("a.gz", (None, ".gz")),
        ("txt", (None, None)),
        (".txt", (None, None)),
    ],
)
def test_names(name: str, expected: Any) -> None:
    assert parse_name(Path(name)) == expected


def test_order(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a.jsonl.gz")
    assert names(tmp_path, "b.txt", "a.jsonl.gz", "b.txt") == ["b.txt", "a.jsonl.gz", "b.txt"]
    [file] = find_inputs(str(tmp_path / "a.jsonl.gz"))
    assert (file.format, file.compression, file.is_stream) == ("jsonl", ".gz", False)


def test_format_before_endings(tmp_path: Path) -> None:
    write(tmp_path, "news.en-00001-of-00100", "a.txt", "b.gz")
    files = find_inputs([tmp_path / "news.en-00001-of-00100", tmp_path / "a.txt", tmp_path / "b.gz"], "tokens")
    assert [(file.format, file.compression) for file in files] == [("tokens", None)] * 2 + [("tokens", ".gz")]


def test_patterns(tmp_path: Path) -> None:
    write(tmp_path, "n/b.txt", "n/a.txt", "n/deep/c.txt", "n/a.conllu", "n/[1].txt")
    (tmp_path / "n" / "folder.txt").mkdir()
    assert names(tmp_path, "n/?.txt") == ["n/a.txt", "n/b.txt"]
    assert names(tmp_path, "n/**/c.txt") == ["n/deep/c.txt"]
    # A file of that name has precedence over the pattern.
    assert names(tmp_path, "n/[1].txt") == ["n/[1].txt"]
    with pytest.raises(FileNotFoundError, match=r"EL200.*n[/\\]\*\.jsonl' matches no file"):
        names(tmp_path, "n/*.jsonl")
    write(tmp_path, "n/README")
    with pytest.raises(ValueError, match=r"EL060.*README.*--format"):
        names(tmp_path, "n/*")


def test_folders(tmp_path: Path) -> None:
    write(tmp_path, "n/b.txt", "n/a/c.txt.gz", "n/.hidden.txt", "n/.git/d.txt")
    assert names(tmp_path, "n") == ["n/b.txt", "n/a/c.txt.gz"]
    write(tmp_path, "n/README.md", "n/LICENSE")
    with pytest.warns(UserWarning, match=r"WL035.*n' are skipped: LICENSE, README\.md\."):
        assert names(tmp_path, "n") == ["n/b.txt", "n/a/c.txt.gz"]


@links
def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "n/a/b.txt", "n/c.txt")
    (tmp_path / "n" / "a" / "round").symlink_to(tmp_path / "n")
    assert names(tmp_path, "n") == ["n/c.txt", "n/a/b.txt"]
    list_names = os.listdir

    def refuse(path: Path) -> list[str]:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return list_names(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(
        OSError, match=r"EL203.*n[/\\]a' cannot be read: Permission denied\. Change its permissions"
    ):
        names(tmp_path, "n")


def test_mixed_formats(tmp_path: Path) -> None:
    """Treebanks contain their sentences as .conllu and as .txt."""
    write(tmp_path, "n/a.conllu", "n/a.txt", "n/b.txt.gz", "n/c.tokens")
    with pytest.raises(ValueError, match=r"EL202.*1 \.conllu, 1 \.tokens, 2 \.txt\..*--format"):
        names(tmp_path, "n")
    for name, expected in (("conllu", ["n/a.conllu"]), ("tokens", ["n/a.txt", "n/b.txt.gz", "n/c.tokens"])):
        with pytest.warns(UserWarning, match="WL035"):
            assert names(tmp_path, "n", format=name) == expected


def test_a_folder_of_shards(tmp_path: Path) -> None:
    write(tmp_path, "n/news-00002", "n/news-00001", "m/a.pdf")
    assert names(tmp_path, "n", format="tokens") == ["n/news-00001", "n/news-00002"]
    with pytest.raises(
        FileNotFoundError, match=r"EL201.*m' contains no file that can be read\. It contains: a\.pdf"
    ):
        names(tmp_path, "m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"EL201.*It contains: nothing"):
        names(tmp_path, "empty")


@pytest.mark.parametrize(("format", "what"), [("jsonl", r"\.jsonl file"), ("tokens", r"\.tokens or \.txt file")])
def test_a_folder_without_the_format(tmp_path: Path, format: str, what: str) -> None:
    """The endings that were not asked for are no help."""
    write(tmp_path, "n/a.conllu")
    match = rf"EL201.*n' contains no {what}\. It contains: a\.conllu\. Give the files or a pattern together with "
    with pytest.raises(FileNotFoundError, match=match) as caught:
        names(tmp_path, "n", format=format)
    assert "Allowed" not in str(caught.value)


def test_overlapping_arguments(tmp_path: Path) -> None:
    write(tmp_path, "n/a.txt", "n/a.txt.gz", "n/b.txt")
    with pytest.warns(UserWarning, match=r"WL036.*n[/\\]a\.txt\.gz\."):
        assert names(tmp_path, "n") == ["n/a.txt", "n/b.txt"]
    with pytest.warns(UserWarning, match=r"WL036.*n[/\\]b\.txt\."):
        assert names(tmp_path, "n/b.txt", "n/b.*") == ["n/b.txt"]


@pytest.mark.parametrize("name", ["a.csv", "a", "a.gz", "a.xz", "a.txt.zip"])
def test_unknown_ending(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    with pytest.raises(ValueError, match=r"EL060.*Allowed: \.txt, \.jsonl, \.conllu, \.spacy.*--format") as caught:
        names(tmp_path, name)
    assert repr(Path(name).suffix) in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL026.*a\.txt"):
        names(tmp_path, "a.txt")
    with pytest.raises(ValueError, match=r"EL030.*format 'csv'.*txt, jsonl, conllu, spacy, tokens"):
        find_inputs(tmp_path, "csv")
    with pytest.raises(ValueError, match=r"EL204.*2 times"):
        find_inputs(["-", "-"])


@named_pipes
def test_streams(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.conllu")
    os.mkfifo(tmp_path / "pipe")
    given: list[str | Path] = ["-", tmp_path / "pipe.conllu", tmp_path / "pipe", "/dev/stdin"]
    files = find_inputs(given)
    assert [(file.format, file.is_stream) for file in files] == [
        ("txt", True), ("conllu", True), ("txt", True), ("txt", True),
    ]  # fmt: skip
    assert [file.format for file in find_inputs(given, "tokens")] == ["tokens"] * 4
