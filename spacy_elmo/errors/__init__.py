"""Every message that a user can meet: what was got, what is allowed, what to change."""

from reprlib import Repr
from typing import Any

from .codes import WithCodes
from .codes import printable as printable
from .commands import CommandErrors
from .downloads import DownloadErrors
from .formats import FormatErrors
from .models import ModelErrors
from .pipelines import PipelineErrors
from .pretraining import PretrainingErrors

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


class Errors(ModelErrors, FormatErrors, DownloadErrors, PipelineErrors, CommandErrors, PretrainingErrors):
    """All of them, by their codes."""


class Warnings(metaclass=WithCodes):
    WL003 = (
        "An ElmoListener (upstream = '{upstream}') predicts from zeros, because no embedder has run these Docs: "
        "it is disabled, comes after the component, or has another name than `upstream`. Its predictions are of "
        "no use. Enable the embedder, or make the component independent of it by nlp.replace_listeners()."
    )
    WL005 = (
        "The warm state of '{source}' cannot be kept in '{path}' ({reason}), and will be made again next time. "
        "Point the environment variable {variable} to a folder that can be written, or store the state with the "
        "weights: spacy-elmo warm"
    )
    WL002 = "The checkpoint '{path}' is damaged ({reason}). Going back to the one before."
    WL001 = (
        "{path}: {count:,} of {total:,} weights are not finite (NaN or infinite), in {arrays}. Vectors made "
        "with them will not be finite either; fetch or train the weights again."
    )
    WL010 = (
        "The layer cache '{path}' cannot be written ({reason}): layers that are not in it are computed each time. "
        "Give a folder that can be written."
    )
    WL011 = (
        "Writing to the layer cache '{path}' failed ({reason}). What it holds is whole; from here on nothing is "
        "added, and other layers are computed each time. Make room, or lower max_gb."
    )
    WL012 = (
        "The layer cache '{path}' is damaged: it holds other numbers than were written. Layers of such sentences "
        "are computed anew. Should this come again, do not trust the disk, and remove the file."
    )
    WL013 = (
        "{path}: the ELMo in it was trained with do_layer_norm = true, by which AllenNLP normalises each layer "
        "over a whole batch before it mixes them. Here, the layer 'elmo' is mixed without that, and differs; "
        "word_emb and the LSTM layers are right."
    )
    WL014 = (
        "{path} {what}. The weights tell all sizes; the rest is taken to be as in all published models: clips at "
        "3, relu, 50 characters a token. If the ELMo was trained otherwise, put its options.json beside {path}."
    )
    WL015 = (
        "The GPU ran out of memory over {tokens:,} tokens at once ({reason}). Going on with {half:,}, and without "
        "losing anything. Set max_batch_tokens to that, or free memory on the GPU."
    )
    WL016 = (
        "CUDA graphs cannot be had here ({reason}): each step is launched by itself, which gives the same "
        "numbers, more slowly."
    )
    WL017 = (
        "Triton cannot make kernels here ({reason}): PyTorch's own operators are used, which give the same "
        "numbers, more slowly. Triton needs a C compiler, and a GPU that it knows."
    )
    WL070 = (
        "The corpus that this run has written to '{path}' is damaged ({reason}). It is written again from the "
        "text, to the same numbers. If this happens again, check the disk."
    )
    WL050 = (
        "{where}: these fields are not part of a biLM's options and are ignored: {fields}. They change nothing in "
        "the outputs. If one was meant to, correct its name (allowed: {allowed}); else remove it."
    )
    WL051 = (
        "Waiting for another process that uses the model '{name}' in the cache ({holder}; lock file '{lock}'). If "
        "that process has stopped, end it, and this one goes on."
    )
    WL045 = (
        "The layer '{layer}' of '{source}' is not finite (NaN or infinite) for some tokens, and neither is what "
        "is made from it. {cause} Fetch or train the weights again."
    )
    WL046 = (
        "Sentence {index} has the token {token!r}, which looks like padding. It is embedded as a word, and "
        "changes the vectors of the words beside it. Leave padding out: sentences may differ in length."
    )
    WL030 = (
        "Gradients of the weights of '{source}' are not finite: the step was not taken. Where it happens again "
        "and again, set a lower `learn_rate_factor`, more `warmup_steps`, or `frozen = true`."
    )
    WL035 = (
        "Of the folder '{path}', these files are left out: {found}. They are of another format, or of none known."
    )
    WL036 = (
        "'{given}' names files that are read already, themselves or packed, and that are not read again: {names}."
    )
    WL037 = (
        "{path}: {n:,} lines hold carriage returns, the first of them line {line}. Lines end at line feeds alone; "
        "a carriage return within a line is part of its text."
    )
    WL038 = (
        "{where}: {length} without an end of sentence, which are computed at once. Should these be several "
        "sentences, put each on a line of its own, or let a pipeline split them (--pipeline)."
    )
    WL039 = "These files hold nothing, and are passed over: {names}."
    WL052 = (
        "{path} looks as if it were split into tokens already: {n:,} of {total:,} lines have a period or a comma "
        "between blanks. {pipeline} splits it again, into other tokens. To take it as it is, a sentence a line, "
        "give --format tokens (corpus.format in a config)."
    )
    WL023 = (
        "{what} is saved without weights: {reason}. What is loaded from there will look for '{source}' when it is "
        "first used. To save the weights with it, use it once before, or call nlp.initialize()."
    )
    WL024 = (
        "'{other}' sets sentence boundaries behind '{name}', which therefore embeds each Doc as one sentence. Put "
        "'{other}' before '{name}'; or, if each Doc is one sentence, set get_spans to 'spacy-elmo.doc_spans.v1', "
        "which says so."
    )
    WL025 = (
        "A Doc of {tokens:,} tokens has no sentence boundaries, and '{name}' embeds it as one sentence, which is "
        "not what ELMo has learnt from. Add a component that sets them before it: "
        "nlp.add_pipe('sentencizer', before='{name}'). If it is meant, set get_spans to 'spacy-elmo.doc_spans.v1'."
    )
    WL026 = (
        "'{name}' leaves doc.tensor to {other}, which sets it as well. Its own layers are in doc._.elmo. Set "
        "`set_tensor = false` to say that this is meant; to have ELMo in doc.tensor, disable {other} and set "
        "`set_tensor = true`."
    )


def short_repr(value: Any) -> str:
    """What was got, for a message: on one line, and not longer than one can read."""
    try:
        text = " ".join(_SHORT.repr(value).split())
    except Exception:
        # Of a whole number with thousands of digits, for one.
        text = "what has no representation"
    return f"{text} ({type(value).__name__})" if not isinstance(value, (str, int, float, type(None))) else text


def check_number(name: str, got: Any, *, low: float, high: float | None = None, below: bool = False) -> None:
    """RAISES: ValueError unless it is a number from `low` up; to `high`, or to less than that with `below`."""
    good = isinstance(got, (int, float)) and got >= low
    if high is not None:
        good = good and (got < high if below else got <= high)
    if not good:
        end = "up" if high is None else f"to less than {high}" if below else f"to {high}"
        raise ValueError(Errors.EL098.format(name=name, got=got, low=low, high=end))
