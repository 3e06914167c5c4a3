"""Of the component, and of training with it."""

from .codes import WithCodes


class PipelineErrors(metaclass=WithCodes):
    # The pipeline component
    EL050 = (
        "'{name}' sets doc.tensor, and so does the enabled component '{other}': one would overwrite the "
        "other. Set `set_tensor = false` for '{name}' (its layers stay in doc._.elmo), or disable '{other}'."
    )
    EL051 = (
        "`vectors = true` needs the pooling layer on the Doc, but `set_tensor` is false and `layers` does not "
        "keep '{layer}'. Set `set_tensor = true`, or add '{layer}' to `layers`."
    )
    EL052 = (
        "A layer cache is of use only while the biLM stays as it is: with `frozen = false` its layers change at "
        "every step. Set `cache = null`, or `frozen = true`."
    )
    EL053 = (
        "doc._.elmo holds {held}: the Doc was retokenized after the embedder ran, or has another's user_data. "
        "Run the embedder again, after the component that changes the tokens."
    )
    EL054 = (
        "Two spans of `get_spans` overlap at token {token} of a Doc ('{text}'). Every token may be in at most "
        "one span; choose another `get_spans`."
    )
    EL055 = (
        "{what} has no ELMo vector. Only Docs that the embedder processed, and their Spans and Tokens, have one, "
        "as long as doc._.elmo or doc.tensor holds the pooling layer."
    )
    EL056 = (
        "`get_spans` gave {got} lists of spans for {expected} Docs. It is called with a list of Docs and must "
        "return one list of Spans for each."
    )
    EL057 = (
        "This model has no weights, and no source to read them from. Set `source`, or load the pipeline that was "
        "saved with the weights."
    )
    EL058 = (
        "'{name}' would leave nothing on a Doc: `set_tensor` is false and `layers` is empty. Set "
        "`set_tensor = true`, or name the layers to keep."
    )
    EL059 = (
        "Another package has registered the extension {cls}._.elmo, which the embedder needs for its layers. "
        "Remove that one ({cls}.remove_extension('elmo')), or do without one of the two."
    )
    EL190 = (
        "{cls}._.elmo cannot be set: it shows the layers that the embedder computed; got {got}. Run the embedder "
        "to replace them, set doc._.elmo = None to remove them, and keep other data under another name."
    )
    EL191 = (
        "The embedder keeps a Doc's layers in doc.user_data[('._.', 'elmo', None, None)], which holds something "
        "else: {got}. Set doc._.elmo = None to remove it, and run the embedder again."
    )
    EL192 = (
        "Vectors of {width} and of {other} numbers cannot be compared. Both must be made by the same model, of "
        "the same pooling layer."
    )

    # Training in a pipeline
    EL098 = "'{name}' must be a number from {low} {high}; got {got!r}."
    EL099 = "'{pattern}' in `trainable` is of no use as a regular expression: {reason}."
    EL100 = (
        "An ElmoListener (upstream = '{upstream}') has no layers to learn from: no embedder before its component "
        "has run these Docs. If the embedder is among `frozen_components`, list it under `annotating_components` "
        "too, or take it out of both and rely on its `frozen = true`. Otherwise see that `upstream` is its name "
        "(or '*'), also after a rename, and that it is enabled and stands before the component; for components "
        "that were sourced or enabled late, set [training.before_update] @callbacks = 'spacy-elmo.relink.v1'."
    )
    EL101 = (
        "A listener was made for width {got}, but {where} is {expected} wide. Set `width = {expected}`, or null, "
        "which takes it from the embedder."
    )
    EL102 = (
        "A listener reads layers that doc._.elmo lacks: {missing}. It has {kept}. Put them into the embedder's "
        "`layers`, or run an embedder that the listener is linked to."
    )
    EL103 = (
        "An ElmoListener (upstream = '{upstream}') does not know its width: it has none in its config, and no "
        "embedder was found before its component. Add the component elmo_embedder before it, correct `upstream`, "
        "or set `width`."
    )
    EL104 = (
        "`frozen = false` cannot be had with initial_state = 'carry': gradients would have to pass from batch to "
        "batch. Set `frozen = true`, or initial_state 'zero' or 'warm'."
    )
    EL121 = (
        "'{name}' has no weights yet: by the config, nlp.initialize() reads them from {source}, and it has not "
        "run for this component. spaCy leaves out what is in `frozen_components`: use `frozen = true` in its "
        "place, or give that source as the component's own `source`."
    )
    EL120 = (
        "To replace a listener, the block `model.tok2vec` of its component must hold one {listener}, at any "
        "depth; found {count} different ones. Give the path of that one, such as 'model.tok2vec'."
    )
    EL125 = (
        "keep_empty = {keep_empty} has left none of the {n_read} examples to train on: none has an entity. See "
        "that the training text is annotated with entities, or set keep_empty = 1.0."
    )
    EL126 = (
        "An input of a BiLSTMEncoder has {got} columns; by its config it has {expected}. There, set `input_width` "
        "to {got}: the sum of the widths, where layers are concatenated."
    )
    EL127 = (
        "The saved layer and that of the config are not of the same sizes: {name} is {got} in what was saved, and "
        "{expected} by the config (None: not there). Give the settings in the config the values that it was "
        "trained with."
    )
    EL180 = (
        "The saved component '{name}' is not complete in {where}: {what}. It was saved with weights, or saving "
        "was broken off. Save the pipeline again, or take another copy of it; to start from a source instead, add "
        "a new component and call nlp.initialize()."
    )
    EL182 = (
        "'{name}' is to learn (`frozen = false`), and nothing can flow back to it here: it has not run these Docs "
        "as a training batch. Train with nlp.update(), which runs it before the components that listen to it, "
        "or set `frozen = true`."
    )
    EL124 = "'width' is shared by two directions and must be even; got {got}."

    # The layer cache
    EL105 = "max_gb of the layer cache must be a number above 0, in units of 10^9 bytes; got {got!r}."
    EL267 = (
        '`cache` of an elmo_embedder is null, or a section with @misc = "spacy-elmo.layer_cache.v1" and a folder; '
        "got {got!r}. Add these two lines to the section, or set `cache = null`."
    )
    EL106 = "The folder of the layer cache must be a path as text; got {got!r}. Name a folder for it to make."
    EL107 = (
        "With initial_state = 'carry' a sentence's layers depend on those before it, and cannot be cached. Take "
        "initial_state 'zero' or 'warm', or do without the layer cache."
    )
