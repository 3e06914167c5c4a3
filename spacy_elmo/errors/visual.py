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
    EL330 = "The texts do not have the layer {got}, but: {kept}. Choose one of these, or keep more in `layers`."
    EL331 = "The style '{style}' has no option {got}. Options: {allowed}."
    EL332 = "{name} = {got} in the options of the style '{style}': {reason}."
    EL333 = "token = {got}, but the texts have {n_tokens:,} tokens, counted from 0. Choose one of them."
    EL334 = (
        "The style 'similarity' compares two texts, or one with itself; {n_texts} were given. Choose two of them: "
        "render([doc1, doc2], style='similarity')."
    )
    EL335 = (
        "The style 'drift' needs at least two of word_emb, lstm_outputs1, lstm_outputs2 (as many as the model "
        "has); the texts have: {kept}. Use `layers = '*'` with `pooling_layer = 'elmo'` (the "
        "defaults), or name two of them in `layers`."
    )
    EL336 = (
        "'{word}' is not among the {n_tokens:,} tokens of the texts. Choose another word, or leave `word` out for "
        "all tokens."
    )
    EL337 = "Number of labels: {n_labels}; number of texts: {n_texts}. Give a label for each text."
    EL338 = (
        "labels = {got}: this is not an attribute of spaCy's tokens, or the texts are not Docs. Give an attribute "
        "with text or a number, such as 'pos_' or 'ent_type_'; 'cats'; or a list with a label for each text."
    )
    EL339 = (
        "The style 'layers' shows the mixes of pipelines and models, and {got} has none. Give a pipeline with an "
        "elmo_embedder, an Elmo, or a list or dict of them: render(nlp, style='layers')."
    )
    EL314 = "The file '{path}' ends in '{suffix}', and pictures are written as HTML: choose a name with .html."
    EL316 = (
        "jupyter = True shows a picture in a Jupyter notebook, and IPython is not installed here. Run this in a "
        "notebook, or leave `jupyter` out to get the HTML."
    )
    EL315 = "Port {port} of {host} cannot be used ({reason}). Choose another one: serve(..., port=..., host=...)."
