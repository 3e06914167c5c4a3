"""AllenNLP 2.10.1: its biLM with the sentence marks removed, as its `elmo` command had it."""

import os
import warnings

warnings.filterwarnings("ignore")

import torch  # noqa: E402
from allennlp.modules.elmo import _ElmoBiLm, batch_to_ids  # noqa: E402
from allennlp.nn.util import remove_sentence_boundaries  # noqa: E402
from protocol import serve  # noqa: E402

model = None


def describe(options):
    global model
    torch.set_num_threads(options["threads"])
    model = _ElmoBiLm(
        os.path.join(options["model"], "options.json"), os.path.join(options["model"], "model.hdf5")
    ).eval()
    return {"torch": torch.__version__}


def embed(sentences, batch_size):
    outputs = []
    with torch.no_grad():
        for start in range(0, len(sentences), batch_size):
            batch = sentences[start : start + batch_size]
            # From zero, so that results are those of the sentence alone; costs nothing.
            model._elmo_lstm.reset_states()
            result = model(batch_to_ids(batch))
            layers = [remove_sentence_boundaries(layer, result["mask"])[0] for layer in result["activations"]]
            stacked = torch.stack(layers, dim=1).numpy()
            outputs.extend(stacked[i, :, : len(sentence)] for i, sentence in enumerate(batch))
    return outputs


serve(describe, embed)
