"""Messages of the component, and of training with it."""

from .classes import WithCodes


class PipelineErrors(metaclass=WithCodes):
    # The pipeline component
    EL050 = (
        "'{name}' sets doc.tensor, and so does the enabled component '{other}': one would overwrite the other. "
        "Set `set_tensor = false` for '{name}' (its layers are still available in doc._.elmo), or disable "
        "'{other}'."
    )
    EL051 = (
        "`vectors = true` requires the pooling layer on the Doc, but `set_tensor` is false and `layers` does not "
        "include '{layer}'. Set `set_tensor = true`, or add '{layer}' to `layers`."
    )
    EL052 = (
        "A layer cache requires a biLM that does not change, but with `frozen = false` its layers change at every "
        "step. Set `cache = null`, or `frozen = true`."
    )
    EL053 = (
        "doc._.elmo holds {held}: the Doc was retokenized after the embedder ran, or has the user_data of another "
        "Doc. Run the embedder again, after the component that changes the tokens."
    )
    EL054 = (
        "`get_spans` returned two spans that overlap at token {token} of a Doc ('{text}'). Every token may be in "
        "at most one span. Choose another `get_spans`."
    )
    EL055 = (
        "{what} has no ELMo vector. Only Docs that the embedder has processed, and their Spans and Tokens, have "
        "one, and only while doc._.elmo or doc.tensor holds the pooling layer. Run the embedder on the Doc first; "
        "if you remove one of the two, keep the layer in the other (`layers`, `set_tensor`)."
    )
    EL056 = (
        "`get_spans` returned {got} lists of spans for {expected} Docs. It must take a list of Docs and return "
        "one list of Spans for each."
    )
    EL057 = (
        "This model has no weights, and no source to read them from. Set `source`, or load a pipeline that was "
        "saved with its weights."
    )
    EL058 = (
        "'{name}' would store nothing on a Doc: `set_tensor` is false and `layers` is empty. Set `set_tensor = "
        "true`, or name the layers to keep."
    )
    EL059 = (
        "Another package has registered the extension {cls}._.elmo, which the embedder uses for its layers. "
        "Remove that extension ({cls}.remove_extension('elmo')), or use only one of the two packages."
    )
    EL190 = (
        "{cls}._.elmo cannot be set, because it holds the layers that the embedder computed; got {got}. Run the "
        "embedder to replace them, set doc._.elmo = None to remove them, and store other data under another name."
    )
    EL191 = (
        "The embedder stores a Doc's layers in doc.user_data[('._.', 'elmo', None, None)], but found something "
        "else there: {got}. Set doc._.elmo = None to remove it, and run the embedder again."
    )
    EL192 = (
        "Vectors of widths {width} and {other} cannot be compared. Compare vectors of the same pooling layer of "
        "the same model."
    )

    # Training in a pipeline
    EL098 = "'{name}' must be a number from {low} {high}; got {got!r}."
    EL099 = (
        "`trainable`: '{pattern}' cannot be used: {reason}. Give a regular expression that matches names of "
        "parameters."
    )
    EL100 = (
        "An ElmoListener (upstream = '{upstream}') has no layers to learn from: no embedder before its component "
        "has processed these Docs. If the embedder is in `frozen_components`, add it to `annotating_components` "
        "too, or remove it from both and use its own setting `frozen = true`. Otherwise check that `upstream` is "
        "the embedder's name (or '*'), also if it was renamed, and that the embedder is enabled and comes before "
        "the component. For components that were sourced or enabled after loading, set [training.before_update] "
        "@callbacks = 'spacy-elmo.relink.v1'."
    )
    EL101 = (
        "A listener was created with width {got}, but the width of {where} is {expected}. Set `width = "
        "{expected}`, or null to use the embedder's width."
    )
    EL102 = (
        "A listener reads layers that doc._.elmo does not have: {missing}. It has {kept}. Add them to the "
        "embedder's `layers`, or run an embedder that the listener is linked to."
    )
    EL103 = (
        "The width of an ElmoListener (upstream = '{upstream}') is unknown: its config does not set it, and no "
        "embedder was found before its component. Add the component elmo_embedder before it, correct `upstream`, "
        "or set `width`."
    )
    EL104 = (
        "`frozen = false` is not supported with initial_state = 'carry', because gradients would have to pass "
        "from batch to batch. Set `frozen = true`, or initial_state = 'zero' or 'warm'."
    )
    EL121 = (
        "'{name}' has no weights yet: its config reads them from {source} in nlp.initialize(), which has not run "
        "for this component. Call nlp.initialize() first. spaCy does not initialize components in "
        "`frozen_components`: use `frozen = true` instead, or set that source as the component's own `source`."
    )
    EL120 = (
        "To replace a listener, the block `model.tok2vec` of its component must contain exactly one {listener}, "
        "at any depth; found {count} different ones. Keep the embedder in the pipeline, or train the component "
        "with a single listener."
    )
    EL125 = (
        "keep_empty = {keep_empty} leaves none of the {n_read} examples to train on, because none of them has an "
        "entity. Check that the training data is annotated with entities, or set keep_empty = 1.0."
    )
    EL126 = (
        "The input of a BiLSTMEncoder has {got} columns, but its config says {expected}. Set `input_width` to "
        "{got}; for concatenated layers it is the sum of their widths."
    )
    EL127 = (
        "The saved layer does not have the sizes of the config: {name} is {got} in the saved layer, and "
        "{expected} in the config (None: not set). Use the settings that it was trained with."
    )
    EL180 = (
        "The saved component '{name}' is incomplete in {where}: {what}. It was saved with weights, or saving was "
        "interrupted. Save the pipeline again, or use another copy of it. To start from a source instead, add a "
        "new component and call nlp.initialize()."
    )
    EL182 = (
        "'{name}' is trainable (`frozen = false`), but no gradients can reach it: it has not processed these Docs "
        "as a training batch. Train with nlp.update(), which runs it before the components that listen to it, or "
        "set `frozen = true`."
    )
    EL124 = "`width` is split between two directions and must be even; got {got}."

    # The layer cache
    EL105 = "`max_gb` of the layer cache must be a number above 0, in units of 10^9 bytes; got {got!r}."
    EL267 = (
        '`cache` of an elmo_embedder must be null, or a section with @misc = "spacy-elmo.layer_cache.v1" and a '
        "folder; got {got!r}. Add these two lines to the section, or set `cache = null`."
    )
    EL106 = (
        "`folder` of the layer cache must be a path as a string; got {got!r}. Give the path of a folder; it is "
        "created if necessary."
    )
    EL107 = (
        "The layer cache does not support initial_state = 'carry', where the layers of a sentence depend on "
        "previous sentences. Set initial_state = 'zero' or 'warm', or disable the layer cache."
    )
