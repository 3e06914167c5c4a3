"""What is served: a model, the mixes that were trained with it, and how its texts are split."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import PurePath
from urllib.parse import urlsplit

import spacy
from spacy.language import Language

from ..elmo import Elmo
from ..errors import ElmoError, Errors
from ..pipeline.embedder import ElmoEmbedder
from ..pipeline.mixes import LearnedMix, find_mixes, list_mixes
from ..weights.source import Source
from ..weights.urls import hide_secrets, safe_url


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model for requests of all threads.

    name (str): Its name for users, without folders.
    elmo (Elmo): The model.
    mixes (Sequence[LearnedMix]): Mixes of its layers.
    nlp (Language): Splits texts into sentences and tokens; for `BoundedSplitter`.
    RAISES (ElmoError): If its vectors depend on earlier requests.
    """

    name: str
    elmo: Elmo
    mixes: Sequence[LearnedMix]
    nlp: Language

    def __post_init__(self) -> None:
        if self.elmo.settings.initial_state == "carry":
            raise ElmoError(Errors.EL357.format(name=self.name))


def serve_elmo(elmo: Elmo, *, source: Source, nlp: Language) -> ServedModel:
    """Serve a model by itself.

    elmo (Elmo): The model.
    source (Source): What it was loaded from, for its name.
    nlp (Language): Splits texts.
    RETURNS (ServedModel): The model.
    RAISES (ElmoError): As `ServedModel`.
    """
    return ServedModel(name=name_source(source), elmo=elmo, mixes=list_mixes(elmo), nlp=nlp)


def serve_pipeline(folder: str) -> ServedModel:
    """Serve the model of a saved pipeline.

    folder (str): The folder of the pipeline, or the name of an installed one.
    RETURNS (ServedModel): The model of its first elmo_embedder, with all mixes of the pipeline.
    RAISES (ElmoError): If it cannot be loaded, or has no elmo_embedder; and as `ServedModel`.
    """
    try:
        nlp = spacy.load(folder)
    except (OSError, ImportError, ValueError) as error:
        reason = hide_secrets(str(error), "")
        raise ElmoError(Errors.EL117.format(got=safe_url(folder), reason=reason)) from error
    embedders = [component for _, component in nlp.components if isinstance(component, ElmoEmbedder)]
    if not embedders:
        components = ", ".join(nlp.component_names) or "none"
        raise ElmoError(Errors.EL356.format(name=name_source(folder), components=components))
    splitter = spacy.blank(str(nlp.lang), vocab=nlp.vocab)
    splitter.tokenizer = nlp.tokenizer
    splitter.add_pipe("sentencizer")
    return ServedModel(name=name_source(folder), elmo=embedders[0].elmo, mixes=find_mixes(nlp), nlp=splitter)


def name_source(source: Source) -> str:
    """Name a model for others, who need not know where it is.

    source (Source): What it was loaded from.
    RETURNS (str): The last part of the path or address.
    """
    last = str(source if isinstance(source, (str, PathLike)) else source[-1])
    path = urlsplit(last).path if "://" in last else last
    return PurePath(path).name or last
