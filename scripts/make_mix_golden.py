"""Make tests/mix: two scalar mixes over one biLM, and all gradients, by AllenNLP's Elmo module.

Runs on Python 3.9 in an environment with AllenNLP 2.10.1, such as `python -m benchmarks` makes:
`benchmarks/build/allennlp/bin/python scripts/make_mix_golden.py`. The result is committed; tests/mix/README.md
says what is in it.
"""

import json
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from allennlp.modules.elmo import Elmo, batch_to_ids  # noqa: E402

TESTS = Path(__file__).parent.parent / "tests"
FOLDER = TESTS / "mix"
SENTENCES = [
    ["The", "bank", "by", "the", "river", "is", "steep", "."],
    ["Hello"],
    ["She", "sat", "."],
    ["Zoë", "naïvely", "trusted", "the", "bank", ",", "which", "closed", "on", "Friday", "night", "."],
    ["日本語", "x" * 60],
    ["It", "rose", "and", "rose", "."],
]
# Of powers of two, so that they are the same numbers in both precisions.
WEIGHTS = [[0.75, -0.5, 0.25], [-1.25, 0.5, 1.5]]
GAMMAS = [1.5, -0.625]
SEED = 20180615


def main() -> None:
    n_rows = sum(map(len, SENTENCES))
    random = np.random.default_rng(SEED)
    upstream = random.standard_normal((len(WEIGHTS), n_rows, 16)).astype(np.float32)
    arrays = {"weights": np.array(WEIGHTS), "gamma": np.array(GAMMAS), "upstream": upstream}
    for dtype in (torch.float32, torch.float64):
        name = str(dtype).replace("torch.", "")
        for key, array in mixed(dtype, upstream, trained=False).items():
            arrays[f"{name}.{key}"] = array
    for key, array in mixed(torch.float64, upstream, trained=True).items():
        if key.startswith("_elmo_lstm."):
            arrays[f"d_bilm.{key}"] = array
        else:
            np.testing.assert_allclose(array, arrays[f"float64.{key}"], rtol=1e-12)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "sentences.json").write_text(json.dumps(SENTENCES, indent=1) + "\n", "utf-8")
    np.savez_compressed(FOLDER / "allennlp.npz", **arrays)


def mixed(dtype: torch.dtype, upstream: np.ndarray, *, trained: bool) -> dict:
    """Outputs and gradients of one padded batch. The model is new: its carried state is still of zeros.

    upstream: (n_outputs, n_rows, 2P), the gradient of the outputs at every token.
    trained: with the gradients of the biLM's parameters, under AllenNLP's names.
    """
    tiny = TESTS / "tiny"
    elmo = Elmo(
        str(tiny / "options.json"),
        str(tiny / "weights.hdf5"),
        num_output_representations=len(WEIGHTS),
        requires_grad=trained,
        dropout=0.0,
    ).to(dtype)
    mixes = [elmo.scalar_mix_0, elmo.scalar_mix_1]
    with torch.no_grad():
        for mix, weights, gamma in zip(mixes, WEIGHTS, GAMMAS):
            for parameter, value in zip(mix.scalar_parameters, weights):
                parameter.fill_(value)
            mix.gamma.fill_(gamma)
    result = elmo(batch_to_ids(SENTENCES))
    # Rows of tokens alone: sentence after sentence, without the padding.
    outputs = torch.stack([output[result["mask"]] for output in result["elmo_representations"]])
    (outputs * torch.from_numpy(upstream).to(dtype)).sum().backward()
    gradients = {
        name: parameter.grad.numpy()
        for name, parameter in elmo.named_parameters()
        if name.startswith("_elmo_lstm.") and parameter.grad is not None
    }
    return {
        "out": outputs.detach().numpy(),
        "d_weights": np.array([[float(p.grad) for p in mix.scalar_parameters] for mix in mixes]),
        "d_gamma": np.array([float(mix.gamma.grad) for mix in mixes]),
        **gradients,
    }


if __name__ == "__main__":
    main()
