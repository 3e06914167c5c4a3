"""Make tests/module: what AllenNLP's `Elmo` and the classes around it give, batch after batch and in training.

Runs on Python 3.9 in an environment with AllenNLP 2.10.1, such as `python -m benchmarks` makes, and with the
unpacked wheel of AllenNLP 0.9.0, the last one with an `ElmoEmbedder`, which is here run over the biLM of 2.10.1:
`benchmarks/build/allennlp/bin/python scripts/make_module_golden.py FOLDER_OF_0.9.0`. The result is committed;
tests/module/README.md says what is in it.
"""

import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from allennlp.common import logging as allennlp_logging  # noqa: E402
from allennlp.modules.elmo import Elmo, _ElmoBiLm, _ElmoCharacterEncoder, batch_to_ids  # noqa: E402
from allennlp.modules.token_embedders import ElmoTokenEmbedder  # noqa: E402
from make_allennlp_golden import GAMMAS, SEED, WEIGHTS, fill  # noqa: E402

TESTS = Path(__file__).parent.parent / "tests"
FOLDER = TESTS / "module"
FILES = (str(TESTS / "tiny" / "options.json"), str(TESTS / "tiny" / "weights.hdf5"))
# Four sizes, so that carried states are extended, cut and kept for rows that a batch does not have.
BATCHES = [
    [
        ["The", "bank", "by", "the", "river", "is", "steep", "."],
        ["Hello"],
        [],
        ["Zoë", "naïvely", "trusted", "the", "bank", "."],
        ["日本語", "x" * 60, "🙂"],
    ],
    [
        ["She", "sat", "down", "and", "did", "not", "rise", "again", "."],
        ["It", "rose", "."],
    ],
    [
        [],
        ["Which", "bank", "closed", "on", "Friday", "night", "?"],
        ["No", "!"],
        ["Straße"],
        ["The", "river", "rose", "and", "rose", "."],
        ["Ελλάδα", "is", "far", "."],
        ["a", "b"],
    ],
    [
        ["Again", ",", "the", "bank", "was", "closed", "."],
        ["Hello"],
        ["We", "sat", "by", "the", "river", "."],
    ],
]
N_STEPS, LEARNING_RATE, N_CLASSES, N_PROJECTED = 20, 0.02, 4, 5


def main(old_folder: Path) -> None:
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(SEED)
    arrays = {"weights": np.array(WEIGHTS, "float32"), "gamma": np.array(GAMMAS, "float32")}
    arrays.update(variants())
    arrays.update(batch_after_batch())
    arrays.update(gradients(random))
    arrays.update(beneath(random))
    arrays.update(embedders(old_folder))
    trained, losses = training(random)
    arrays.update(losses)
    torch.save(trained.state_dict(), FOLDER / "weights.th", _use_new_zipfile_serialization=False)
    arrays["loaded.out"] = loaded(trained)
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
    (FOLDER / "sentences.json").write_text(json.dumps(BATCHES, indent=1) + "\n", "utf-8")
    names = list(two_mixes().state_dict())
    (FOLDER / "state_dict.json").write_text(json.dumps(names, indent=1) + "\n", "utf-8")
    np.savez_compressed(FOLDER / "allennlp.npz", **arrays)


def two_mixes(dtype: torch.dtype = torch.float32, **options) -> Elmo:
    """A new `Elmo`, whose carried state is still of zeros, with the weights of both mixes set."""
    elmo = Elmo(*FILES, num_output_representations=len(WEIGHTS), dropout=0.0, **options).to(dtype)
    fill(elmo)
    return elmo


def outputs(result: dict) -> torch.Tensor:
    """(n_mixes, batch, time, width), with the padding."""
    return torch.stack(result["elmo_representations"])


def expected_mask(batch: list, more: int = 0) -> np.ndarray:
    """more: how many rows every sentence has beside its tokens."""
    lengths = np.array([len(sentence) + more for sentence in batch])
    return np.arange(lengths.max()) < lengths[:, None]


@torch.no_grad()
def variants() -> dict:
    """The first batch through four new models."""
    found = {}
    for boundaries in (False, True):
        for norm in (False, True):
            elmo = two_mixes(keep_sentence_boundaries=boundaries, do_layer_norm=norm)
            result = elmo(batch_to_ids(BATCHES[0]))
            out, mask = outputs(result).numpy(), result["mask"].numpy()
            np.testing.assert_array_equal(mask, expected_mask(BATCHES[0], 2 * boundaries))
            assert np.abs(out[:, mask]).max(axis=-1).min() > 0.1
            # A norm moves the padding away from zero, which is seen where nothing cuts it off with the marks.
            assert (np.abs(out[:, ~mask]).max() > 0.01) == (boundaries and norm)
            name = f"variants.{'boundaries' if boundaries else 'tokens'}.{'norm' if norm else 'plain'}"
            found[f"{name}.out"], found[f"{name}.mask"] = out, mask
    return found


@torch.no_grad()
def batch_after_batch() -> dict:
    """All batches through one model, whose state is carried, or reset before each of them."""
    found = {}
    for carried in (True, False):
        elmo = two_mixes()
        for i, batch in enumerate(BATCHES):
            if not carried:
                elmo._elmo_lstm._elmo_lstm.reset_states()
            result = elmo(batch_to_ids(batch))
            np.testing.assert_array_equal(result["mask"].numpy(), expected_mask(batch))
            name = f"batches.{i}.{'carried' if carried else 'reset'}"
            found[name] = outputs(result).numpy()
    np.testing.assert_array_equal(found["batches.0.carried"], found["batches.0.reset"])
    for i in range(1, len(BATCHES)):
        assert np.abs(found[f"batches.{i}.carried"] - found[f"batches.{i}.reset"]).max() > 0.05
    # What is left of a sentence that the first batch has beyond the two rows of the second.
    elmo = two_mixes()
    elmo(batch_to_ids(BATCHES[0]))
    elmo._elmo_lstm._elmo_lstm.reset_states()
    elmo(batch_to_ids(BATCHES[1]))
    forgotten = outputs(elmo(batch_to_ids(BATCHES[2]))).numpy()
    assert np.abs(forgotten - found["batches.2.carried"]).max(axis=(0, 2, 3))[2:5].min() > 0.01
    return found


def gradients(random: np.random.Generator) -> dict:
    """Those of all parameters for the first batch, from `sum(out * upstream)` over all of the padded output."""
    shape = (len(WEIGHTS), *expected_mask(BATCHES[0]).shape, 16)
    upstream = random.standard_normal(shape).astype(np.float32)
    found = {"gradients.upstream": upstream}
    for dtype in (torch.float32, torch.float64):
        elmo = two_mixes(dtype, requires_grad=True)
        out = outputs(elmo(batch_to_ids(BATCHES[0])))
        (out * torch.from_numpy(upstream).to(dtype)).sum().backward()
        prefix = f"gradients.{str(dtype).replace('torch.', '')}"
        for name, parameter in elmo.named_parameters():
            assert parameter.grad.abs().max() > 1e-3, name
            found[f"{prefix}.{name}"] = parameter.grad.numpy()
    for name in [name for name in found if name.startswith("gradients.float32.")]:
        precise = found[name.replace("float32", "float64")]
        np.testing.assert_allclose(
            found[name], precise, atol=1e-5 * np.abs(precise).max(), rtol=1e-5, err_msg=name
        )
    return found


@torch.no_grad()
def beneath(random: np.random.Generator) -> dict:
    """The first batch through the classes below and beside `Elmo`."""
    ids = batch_to_ids(BATCHES[0])
    found = {"ids": ids.numpy()}
    encoded = _ElmoCharacterEncoder(*FILES)(ids)
    found["encoder.token_embedding"] = encoded["token_embedding"].numpy()
    result = _ElmoBiLm(*FILES)(ids)
    mask = expected_mask(BATCHES[0], 2)
    np.testing.assert_array_equal(encoded["mask"].numpy(), mask)
    np.testing.assert_array_equal(result["mask"].numpy(), mask)
    activations = torch.stack(result["activations"]).numpy()
    assert (activations[:, ~mask] == 0).all()
    assert np.abs(activations[:, mask]).max(axis=-1).min() > 0.05
    # A character encoder of its own does not zero the padding.
    assert np.abs(found["encoder.token_embedding"][~mask]).max() > 0.05
    found["bilm.activations"], found["bilm.mask"] = activations, mask

    projected = ElmoTokenEmbedder(*FILES, dropout=0.0, projection_dim=N_PROJECTED)
    weight = random.standard_normal((N_PROJECTED, 16)).astype(np.float32) / 4
    bias = random.standard_normal(N_PROJECTED).astype(np.float32)
    projected._projection.weight.copy_(torch.from_numpy(weight))
    projected._projection.bias.copy_(torch.from_numpy(bias))
    found["token_embedder.projection.weight"], found["token_embedder.projection.bias"] = weight, bias
    found["token_embedder.projected"] = projected(ids).numpy()
    mixed = ElmoTokenEmbedder(*FILES, dropout=0.0, scalar_mix_parameters=WEIGHTS[0])
    found["token_embedder.mixed"] = mixed(ids).numpy()
    assert not any(parameter.requires_grad for parameter in mixed.parameters())
    tokens = expected_mask(BATCHES[0])
    assert (found["token_embedder.mixed"][~tokens] == 0).all()
    np.testing.assert_allclose(found["token_embedder.projected"][~tokens], np.tile(bias, ((~tokens).sum(), 1)))
    return found


@torch.no_grad()
def embedders(old_folder: Path) -> dict:
    """Layers by AllenNLP 0.9.0's `ElmoEmbedder`, sentence after sentence, in batches of three."""
    # The one name that its module imports and that 2.10.1 no longer has; only a command calls it.
    allennlp_util = sys.modules["allennlp.common.util"]
    allennlp_util.prepare_global_logging = allennlp_logging.prepare_global_logging
    module = ModuleType("elmo_of_0_9_0")
    code = (old_folder / "allennlp" / "commands" / "elmo.py").read_text("utf-8")
    exec(compile(code, "elmo.py", "exec"), module.__dict__)
    sentences = [sentence for batch in BATCHES for sentence in batch]
    embedder = module.ElmoEmbedder(*FILES)
    carried = list(embedder.embed_sentences(sentences, 3))
    alone = []
    for sentence in sentences:
        embedder.elmo_bilm._elmo_lstm.reset_states()
        alone.append(embedder.embed_sentence(sentence))
    found = {}
    for name, layers in (("carried", carried), ("reset", alone)):
        for sentence, array in zip(sentences, layers):
            # Nobody asked the model how wide it is.
            assert array.shape == ((3, len(sentence), 16) if sentence else (3, 0, 1024))
        found[f"embedder.{name}"] = np.concatenate([array for array in layers if array.shape[1]], axis=1)
    assert np.abs(found["embedder.carried"] - found["embedder.reset"]).max() > 0.05
    return found


def training(random: np.random.Generator) -> tuple:
    """Losses of three loops, each in two precisions, and the `Elmo` of the first, whose states are reset."""
    shape = (N_CLASSES, len(WEIGHTS) * 16)
    found = {
        "training.classifier.weight": random.standard_normal(shape).astype(np.float32) / 4,
        "training.classifier.bias": np.zeros(N_CLASSES, "float32"),
        "training.labels": np.array(
            [label(token) for batch in BATCHES for sentence in batch for token in sentence]
        ),
    }
    with share_of_clipped() as clipped:
        trained, losses = train(found)
    # Clips are at work in this model, but they must not be what it learns against.
    assert max(clipped) < 0.1, max(clipped)
    runs = {
        "reset": losses,
        "carried": train(found, carried=True)[1],
        "frozen": train(found, frozen=True)[1],
    }
    precise = {
        "reset": train(found, torch.float64)[1],
        "carried": train(found, torch.float64, carried=True)[1],
        "frozen": train(found, torch.float64, frozen=True)[1],
    }
    for name, losses in runs.items():
        np.testing.assert_allclose(losses, precise[name], rtol=1e-5, err_msg=name)
        # Epoch by epoch: a batch's loss is to be compared with its own alone.
        epochs = np.reshape(losses, (-1, len(BATCHES))).mean(axis=1)
        assert epochs[-1] < (0.85 if name == "frozen" else 0.5) * epochs[0], epochs
        found[f"training.float32.{name}"] = np.array(losses, "float32")
        found[f"training.float64.{name}"] = np.array(precise[name])
    assert np.abs(np.subtract(runs["reset"], runs["carried"])).max() > 0.01
    before = two_mixes().state_dict()
    for name, array in trained.state_dict().items():
        assert (array - before[name]).abs().max() > 0.01, name
    return trained, found


def label(token: str) -> int:
    """A class that can be learned: marks, and words by their length."""
    return 0 if not token.isalpha() else int(np.digitize(len(token), [3, 5])) + 1


def train(
    start: dict, dtype: torch.dtype = torch.float32, *, carried: bool = False, frozen: bool = False
) -> tuple:
    """RETURNS: the `Elmo` and the losses, each before its step."""
    elmo = two_mixes(dtype, requires_grad=not frozen)
    classifier = torch.nn.Linear(len(WEIGHTS) * 16, N_CLASSES).to(dtype)
    with torch.no_grad():
        classifier.weight.copy_(torch.from_numpy(start["training.classifier.weight"]))
        classifier.bias.copy_(torch.from_numpy(start["training.classifier.bias"]))
    ends = np.cumsum([sum(map(len, batch)) for batch in BATCHES])
    labels = [torch.from_numpy(part) for part in np.split(start["training.labels"], ends[:-1])]
    parameters = [*elmo.parameters(), *classifier.parameters()]
    optimizer = torch.optim.Adam([p for p in parameters if p.requires_grad], lr=LEARNING_RATE)
    losses = []
    for step in range(N_STEPS):
        i = step % len(BATCHES)
        if not carried:
            elmo._elmo_lstm._elmo_lstm.reset_states()
        result = elmo(batch_to_ids(BATCHES[i]))
        rows = torch.cat(result["elmo_representations"], dim=-1)[result["mask"]]
        loss = torch.nn.functional.cross_entropy(classifier(rows), labels[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return elmo, losses


@contextlib.contextmanager
def share_of_clipped():
    """Collects, for each call of `torch.clamp`, the share of values that it changes."""
    found: list = []
    shares: list = []
    clamp = torch.clamp

    def watched(values: torch.Tensor, low: float, high: float) -> torch.Tensor:
        clipped = clamp(values, low, high)
        shares.append((int((clipped != values).sum()), values.numel()))
        # Of the last hundred calls, some steps of all LSTMs.
        changed, of = map(sum, zip(*shares[-100:]))
        found.append(changed / of)
        return clipped

    torch.clamp = watched
    try:
        yield found
    finally:
        torch.clamp = clamp


@torch.no_grad()
def loaded(trained: Elmo) -> np.ndarray:
    """The mixes of the first batch, once the file of weights has been loaded into a new model."""
    elmo = Elmo(*FILES, num_output_representations=len(WEIGHTS), dropout=0.0)
    elmo.load_state_dict(torch.load(FOLDER / "weights.th"))
    out = outputs(elmo(batch_to_ids(BATCHES[0]))).numpy()
    trained._elmo_lstm._elmo_lstm.reset_states()
    np.testing.assert_array_equal(out, outputs(trained(batch_to_ids(BATCHES[0]))).numpy())
    return out


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    main(Path(sys.argv[1]))
