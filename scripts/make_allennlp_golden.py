"""Make tests/allennlp: the archive of a model that AllenNLP trained around an ELMo, an `Elmo` with two mixes,
and what both give.

Runs on Python 3.9 in an environment with AllenNLP 2.10.1, such as `python -m benchmarks` makes, and from the
repository's root, since AllenNLP keeps the paths of a configuration as they are written:
`benchmarks/build/allennlp/bin/python scripts/make_allennlp_golden.py`. The result is committed;
tests/allennlp/README.md says what is in it.
"""

import json
import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from allennlp.commands.train import train_model  # noqa: E402
from allennlp.common import Params  # noqa: E402
from allennlp.models.archival import archive_model, load_archive  # noqa: E402
from allennlp.modules.elmo import Elmo, batch_to_ids  # noqa: E402

TINY = Path("tests/tiny")
FOLDER = Path("tests/allennlp")
SENTENCES = [
    ["The", "bank", "by", "the", "river", "is", "steep", "."],
    ["Hello"],
    ["Zoë", "naïvely", "trusted", "the", "bank", "."],
    ["日本語", "x" * 60],
]
TAGGED = "The###D bank###N is###V steep###A .###P\nShe###N sat###V .###P\nIt###N rose###V again###A .###P\n"
FILES = {"options_file": str(TINY / "options.json"), "weight_file": str(TINY / "weights.hdf5")}
# Of powers of two, so that they are the same numbers everywhere.
WEIGHTS = [[0.75, -0.5, 0.25], [-1.25, 0.5, 1.5]]
GAMMAS = [1.5, -0.625]
SEED = 20180615


def main() -> None:
    logging.disable(logging.CRITICAL)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        archive = train(Path(name))
        shutil.copyfile(archive, FOLDER / "model.tar.gz")
    tagger = load_archive(str(FOLDER / "model.tar.gz")).model.eval()
    trained = tagger.text_field_embedder.token_embedder_elmo._elmo
    published = Elmo(**FILES, num_output_representations=len(WEIGHTS), dropout=0.0).eval()
    fill(published)
    (FOLDER / "two_mixes").mkdir(exist_ok=True)
    torch.save(published.state_dict(), FOLDER / "two_mixes" / "weights.th", _use_new_zipfile_serialization=False)
    arrays = {
        "layers": np.concatenate([layers(trained, sentence) for sentence in SENTENCES], axis=1),
        "mix": np.concatenate([mixes(trained, sentence)[0] for sentence in SENTENCES]),
        "two_mixes": np.concatenate([mixes(published, sentence) for sentence in SENTENCES], axis=1),
    }
    before = np.concatenate([layers(published, sentence) for sentence in SENTENCES], axis=1)
    # Training must have changed every layer, or the weights could as well be those of tests/tiny.
    assert (np.abs(arrays["layers"] - before).max(axis=(1, 2)) > 0.01).all()
    (FOLDER / "sentences.json").write_text(json.dumps(SENTENCES, indent=1) + "\n", "utf-8")
    np.savez_compressed(FOLDER / "expected.npz", **arrays)


def train(folder: Path) -> str:
    """Train a tagger for some steps, the ELMo in it as well. RETURNS: the archive's path."""
    (folder / "tagged.txt").write_text(TAGGED, "utf-8")
    # The mix learns faster than the rest, whose values would soon all lie at the clips.
    optimizer = {"type": "adam", "lr": 0.003, "parameter_groups": [[["scalar_mix"], {"lr": 0.1}]]}
    config = {
        "dataset_reader": {
            "type": "sequence_tagging",
            "token_indexers": {"elmo": {"type": "elmo_characters"}},
        },
        "train_data_path": str(folder / "tagged.txt"),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {
                "token_embedders": {
                    "elmo": {"type": "elmo_token_embedder", **FILES, "dropout": 0.0, "requires_grad": True}
                }
            },
            "encoder": {"type": "lstm", "input_size": 16, "hidden_size": 4},
        },
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 5, "optimizer": optimizer, "cuda_device": -1},
        "random_seed": SEED, "numpy_seed": SEED, "pytorch_seed": SEED,
    }  # fmt: skip
    train_model(Params(config), str(folder / "run"))
    # AllenNLP 1 and 2 leave this file out unless they are told.
    shutil.copyfile(FILES["options_file"], folder / "run" / "options.json")
    return archive_model(str(folder / "run"), include_in_archive=["options.json"])


def fill(elmo: Elmo) -> None:
    with torch.no_grad():
        for k, (weights, gamma) in enumerate(zip(WEIGHTS, GAMMAS)):
            mix = getattr(elmo, f"scalar_mix_{k}")
            mix.gamma.fill_(gamma)
            for parameter, value in zip(mix.scalar_parameters, weights):
                parameter.fill_(value)


@torch.no_grad()
def layers(elmo: Elmo, sentence: list) -> np.ndarray:
    """(n_layers, n_tokens, 2P) of one sentence, from a state of zeros."""
    elmo._elmo_lstm._elmo_lstm.reset_states()
    result = elmo._elmo_lstm(batch_to_ids([sentence]))
    # Without the marks at both ends.
    return torch.cat(result["activations"])[:, 1:-1].numpy()


@torch.no_grad()
def mixes(elmo: Elmo, sentence: list) -> np.ndarray:
    """(n_mixes, n_tokens, 2P) of one sentence, from a state of zeros."""
    elmo._elmo_lstm._elmo_lstm.reset_states()
    return torch.cat(elmo(batch_to_ids([sentence]))["elmo_representations"]).numpy()


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    main()
