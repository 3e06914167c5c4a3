"""AllenNLP 2.10.1 on a GPU, out of its wheel alone: the module `Elmo`, as its users run it."""

import os
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import torch  # noqa: E402
from protocol import serve  # noqa: E402

from benchmarks.gpu.allennlp_light import elmo_module  # noqa: E402

allennlp = None
model = None
device = None
mode = None


def describe(options):
    # `largest_batch` is nothing to it: without states, which are reset, there is nothing to size beforehand.
    global allennlp, model, device, mode
    allennlp, device, mode = elmo_module(options["package"]), options["device"], options.get("mode", "mix")
    files = (os.path.join(options["model"], name) for name in ("options.json", "model.hdf5"))
    model = allennlp.Elmo(*files, num_output_representations=1, dropout=0).eval().to(device)
    return {"torch": torch.__version__, "device": torch.cuda.get_device_name() if device == "cuda" else device}


def mix(ids):
    return model(ids)["elmo_representations"][0].cpu().numpy()


def layers(ids):
    result = model._elmo_lstm(ids)
    found = [allennlp.remove_sentence_boundaries(layer, result["mask"])[0] for layer in result["activations"]]
    return torch.stack(found, dim=1).cpu().numpy()


def embed(sentences, batch_size):
    run = {"mix": mix, "layers": layers}[mode]
    outputs = []
    with torch.no_grad():
        for start in range(0, len(sentences), batch_size):
            batch = sentences[start : start + batch_size]
            # From zero, so that results are those of the sentence alone; costs nothing.
            model._elmo_lstm._elmo_lstm.reset_states()
            result = run(allennlp.batch_to_ids(batch).to(device))
            outputs.extend(result[i, ..., : len(sentence), :] for i, sentence in enumerate(batch))
    return outputs


serve(describe, embed)
