"""Every message: what was got, what is allowed, what to do; and the exceptions that carry them."""

from reprlib import Repr

from .addresses import AddressErrors
from .catalogue import CatalogueErrors
from .classes import (
    CodedError,
    ElmoAttributeError,
    ElmoBlockingIOError,
    ElmoConnectionError,
    ElmoError,
    ElmoFileExistsError,
    ElmoFileNotFoundError,
    ElmoImportError,
    ElmoKeyError,
    ElmoMemoryError,
    ElmoOSError,
    ElmoPermissionError,
    ElmoTypeError,
    ReasonError,
    WithCodes,
    printable,
)
from .commands import CommandErrors
from .compat import CompatErrors
from .downloads import DownloadErrors
from .formats import FormatErrors
from .frames import FrameErrors
from .models import ModelErrors
from .pipelines import PipelineErrors
from .pretraining import PretrainingErrors
from .server import ServerErrors
from .spark import SparkErrors
from .tables import TableErrors
from .torch import TorchErrors
from .visual import VisualErrors

__all__ = [
    "CodedError",
    "ElmoAttributeError",
    "ElmoBlockingIOError",
    "ElmoConnectionError",
    "ElmoError",
    "ElmoFileExistsError",
    "ElmoFileNotFoundError",
    "ElmoImportError",
    "ElmoKeyError",
    "ElmoMemoryError",
    "ElmoOSError",
    "ElmoPermissionError",
    "ElmoTypeError",
    "Errors",
    "ReasonError",
    "Warnings",
    "check_number",
    "printable",
    "short_repr",
]

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


class Errors(
    ModelErrors, FormatErrors, CatalogueErrors, AddressErrors, DownloadErrors, PipelineErrors, CommandErrors,
    PretrainingErrors, FrameErrors, TableErrors, SparkErrors, TorchErrors, CompatErrors, VisualErrors,
    ServerErrors,
):  # fmt: skip
    """All error messages, by their codes."""


class Warnings(metaclass=WithCodes):
    """All warnings, by their codes."""

    WL003 = (
        "An ElmoListener (upstream = '{upstream}') predicts from zeros, because no embedder has processed these "
        "Docs: it is disabled, comes after the component, or `upstream` is not its name. These predictions are "
        "not meaningful. Enable the embedder, or make the component independent of it with "
        "nlp.replace_listeners()."
    )
    WL005 = (
        "The warm state of '{source}' cannot be saved to '{path}' ({reason}); it will be computed again next "
        "time. Set the environment variable {variable} to a writable folder, or store the state with the weights: "
        "spacy-elmo warm"
    )
    WL002 = "The checkpoint '{path}' is damaged ({reason}). Using the previous one."
    WL001 = (
        "{path}: {count:,} of {total:,} weights are not finite (NaN or infinite), in {arrays}. Vectors computed "
        "with them will not be finite either. Download or train the weights again."
    )
    WL010 = (
        "The layer cache '{path}' cannot be written ({reason}): layers that are not in it are computed each time. "
        "Give a writable folder."
    )
    WL011 = (
        "Writing to the layer cache '{path}' failed ({reason}). Its content is intact, but nothing more is added, "
        "and other layers are computed each time. Free disk space, or lower max_gb."
    )
    WL012 = (
        "The layer cache '{path}' is damaged: its content does not match its checksums. Affected sentences are "
        "computed again. If this happens again, delete the file and check the disk."
    )
    WL013 = (
        "{path}: this ELMo was trained with do_layer_norm = true, where AllenNLP normalizes each layer over the "
        "whole batch before mixing. Only spacy_elmo.torch.ElmoModule(layer_norm = True) does so too: the layer "
        "'elmo' will differ; word_emb and the LSTM layers are correct."
    )
    WL014 = (
        "{path} {what}. The arrays of the weights determine all sizes ({sizes}); the rest is assumed to be as in "
        "published models: {assumed}. If this ELMo was trained otherwise, its vectors are wrong: put its "
        "options.json beside {path}."
    )
    WL015 = (
        "The GPU ran out of memory in a batch of {tokens:,} tokens ({reason}). Continuing with {half:,} tokens "
        "per batch; no output is lost. Set max_batch_tokens to that number, or free memory on the GPU."
    )
    WL016 = (
        "CUDA graphs are not available ({reason}): steps are launched one by one, which gives the same results, "
        "but is slower. If the reason points to the driver or PyTorch, update it; otherwise ignore this warning."
    )
    WL017 = (
        "Triton cannot compile kernels on this machine ({reason}): PyTorch's own operators are used, which give "
        "the same results, but are slower. Triton requires a C compiler and a supported GPU."
    )
    WL060 = (
        "dimension = {given}, but the vectors of the layer '{layer}' have {width} numbers, which is what the "
        "column's metadata says. Remove setDimension()."
    )
    WL061 = (
        "trainable = True: this module gives arrays, and nothing of it can be trained. Its vectors are the same. "
        "To train the mix or the biLM, use spacy_elmo.torch.ElmoModule."
    )
    WL062 = (
        "`trainable` ({patterns}) has no effect, because the module is frozen: to train these parameters, set "
        "`frozen = False`."
    )
    WL063 = (
        "`{name}` has hooks, or is not the part that ElmoModule was made with. It is not called: the modules of "
        "the biLM only hold the parameters. Those of spacy_elmo.compat.allennlp.Elmo are called."
    )
    WL070 = (
        "The corpus that this run wrote to '{path}' is damaged ({reason}). It is written again from the text, "
        "with the same content. If this happens again, check the disk."
    )
    WL084 = (
        "'{path}' has no options beside it. Its arrays determine all sizes ({sizes}); the rest is assumed to be "
        "as in published models: {assumed}. If the model was trained otherwise, its vectors are wrong. Its "
        "options.json gives certainty: put it beside the weights, or give the pair [options, weights]."
    )
    WL085 = (
        "'{path}' has no vocab.txt beside it, and none of these files is used as its vocabulary: {why}. Copy the "
        "vocabulary that it was trained with to vocab.txt."
    )
    WL086 = (
        "{path}: these arrays are ignored, as by AllenNLP, because the options have no place for them: {names}. "
        "The layers that the options describe do not depend on them."
    )
    WL087 = (
        "{where}: '{field}' is {got}, and is ignored, as by AllenNLP: a model of bytes has {n} characters, and "
        "its weights must have a vector for each."
    )
    WL050 = (
        "{where}: these fields are not options of a biLM and are ignored: {fields}. They do not affect the "
        "outputs. If one of them is misspelled, correct its name (allowed: {allowed}); otherwise remove it."
    )
    WL051 = (
        "Waiting for another process that uses the model '{name}' in the cache ({holder}; lock file '{lock}'). If "
        "that process is stuck, end it, and this one continues."
    )
    WL045 = (
        "The layer '{layer}' of '{source}' is not finite (NaN or infinite) for some tokens, and neither are the "
        "results computed from it. {cause} Download or train the weights again."
    )
    WL046 = (
        "Sentence {index} has the token {token!r}, which looks like padding. It is embedded as a word, and "
        "changes the vectors of the other words. Remove padding: sentences may differ in length."
    )
    WL030 = (
        "The gradients of the weights of '{source}' are not finite; this step was skipped. If this happens "
        "repeatedly, set a lower `learn_rate_factor`, more `warmup_steps`, or `frozen = true`."
    )
    WL035 = (
        "These files in the folder '{path}' are skipped: {found}. Their format is unknown, or not the one being "
        "read."
    )
    WL036 = (
        "'{given}' matches files that are already read, under the same name or compressed, and that are not read "
        "again: {names}."
    )
    WL037 = (
        "{path}: {n:,} lines contain carriage returns, the first of them line {line}. Only line feeds end lines; "
        "a carriage return within a line is part of its text. If they end lines, convert them: tr '\\r' '\\n' "
        "<OLD >NEW; otherwise, ignore this warning, or remove them: tr -d '\\r' <OLD >NEW"
    )
    WL038 = (
        "{where}: {length} without an end of sentence, which are processed at once. If these are several "
        "sentences, put each on its own line, or let a pipeline split them (--pipeline)."
    )
    WL039 = "These files are empty and are skipped: {names}."
    WL052 = (
        "{path} seems to be tokenized already: {n:,} of {total:,} lines have a period or a comma between spaces. "
        "{pipeline} tokenizes it again, with different results. To use it as it is, one sentence per line, give "
        "--format tokens (corpus.format in a config)."
    )
    WL090 = (
        "{path}, line {line}: the sequence '{first}' has lower-case letters, which are read as upper case, the "
        "alphabet of protein models. Number of such sequences: {n:,}. If lower case marks regions to leave out, "
        "replace these by X."
    )
    WL091 = (
        "{path}, line {line}: the sequence '{first}' ends with a stop, '*', which is left out. Number of such "
        "sequences: {n:,}. Ignore this warning, or remove the stops from the file."
    )
    WL092 = (
        "{path}, line {line}: the sequence '{first}' has no residues, and is left out. Number of such sequences: "
        "{n:,}. If they should have some, write the file again: it may be incomplete."
    )
    WL093 = (
        "'{path}': the dataset of '{first}' is named with '_', because '/' cannot stand in such a name; its "
        "attribute original_id is the id itself. Number of such sequences: {n:,}."
    )
    WL023 = (
        "{what} is saved without weights: {reason}. When loaded, it will look for '{source}' on first use. To "
        "save the weights with it, use it once before saving, or call nlp.initialize()."
    )
    WL024 = (
        "'{other}' sets sentence boundaries after '{name}', so '{name}' embeds each Doc as one sentence. Move "
        "'{other}' before '{name}'; or, if each Doc is one sentence, set get_spans to 'spacy-elmo.doc_spans.v1'."
    )
    WL025 = (
        "A Doc of {tokens:,} tokens has no sentence boundaries, so '{name}' embeds it as one sentence, although "
        "ELMo was trained on single sentences. Add a component that sets them before it: "
        "nlp.add_pipe('sentencizer', before='{name}'). If this is intended, set get_spans to "
        "'spacy-elmo.doc_spans.v1'."
    )
    WL026 = (
        "'{name}' does not set doc.tensor, because {other} sets it as well. Its layers are in doc._.elmo. If this "
        "is intended, set `set_tensor = false`; to have ELMo in doc.tensor, disable {other} and set `set_tensor = "
        "true`."
    )


def short_repr(value: object) -> str:
    """Represent a value in a message: on one line, and of a readable length.

    value (object): What was got.
    RETURNS (str): Its repr, shortened, with its type if that is not obvious.
    """
    try:
        text = " ".join(_SHORT.repr(value).split())
    except Exception:
        # Such as that of a whole number with thousands of digits.
        text = "a value that cannot be shown"
    return f"{text} ({type(value).__name__})" if not isinstance(value, (str, int, float, type(None))) else text


def check_number(name: str, got: object, *, low: float, high: float | None = None, below: bool = False) -> None:
    """Check that a setting is a number in a range.

    name (str): The setting, for the message.
    got (object): Its value.
    low (float): The smallest number allowed.
    high (float | None): The largest number allowed; None if there is none.
    below (bool): Whether `high` itself is not allowed.
    RAISES (ElmoError): If it is anything else.
    """
    if isinstance(got, (int, float)) and got >= low and (high is None or (got < high if below else got <= high)):
        return
    end = "up" if high is None else f"to less than {high}" if below else f"to {high}"
    raise ElmoError(Errors.EL098.format(name=name, got=got, low=low, high=end))
