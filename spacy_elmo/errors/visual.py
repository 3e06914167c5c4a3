"""Messages of pictures of vectors."""

from .classes import WithCodes


class VisualErrors(metaclass=WithCodes):
    EL327 = (
        "Cannot draw {got}: give a Doc or Span that an elmo_embedder has processed, the TextOutputs of "
        "Elmo.embed_texts, or a list of them, which is not empty."
    )
    EL328 = (
        "The Doc {text} has no layers: put an elmo_embedder in its pipeline, or apply it, "
        "`doc = nlp.get_pipe('elmo_embedder')(doc)`; with `layers = []` it keeps none."
    )
    EL329 = (
        "The layers of the first text are {one}; those of text {number} are {other}. Their vectors cannot be "
        "compared: give texts of the same model and the same `layers`."
    )
