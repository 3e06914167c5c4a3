from pathlib import Path

import pytest

from spacy_elmo.cli.names import distinct_names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["run/ner_elmo/model-best", "run/ner_tok2vec/model-best"], ["ner_elmo", "ner_tok2vec"]),
        (["a/x/model-best", "b/y/model-last"], ["model-best", "model-last"]),
        (["en_core_web_sm", "run/ner/model-best"], ["en_core_web_sm", "model-best"]),
        (["a/x", "b/x", "a/y"], ["a/x", "b/x", "a/y"]),
        (["run/ner/model-best"], ["run/ner/model-best"]),
        (["a", "a"], ["a", "a"]),
        ([".", "a"], [".", "a"]),
        ([], []),
    ],
)
def test_names(paths: list[str], names: list[str]) -> None:
    assert distinct_names([Path(path) for path in paths]) == names


def test_a_files_ending_is_no_part_of_its_name(tmp_path: Path) -> None:
    paths = [tmp_path / "ner.jsonl", tmp_path / "syntax.jsonl", tmp_path / "v1.5"]
    for path in paths[:2]:
        path.touch()
    assert distinct_names(paths) == ["ner", "syntax", "v1.5"]
