"""Of models: their options, their files, running them."""

from .codes import WithCodes


class ModelErrors(metaclass=WithCodes):
    # Options
    EL001 = "{where}: unknown field '{field}'. Allowed here: {allowed}. Remove it, or correct its name{hint}."
    EL002 = (
        "{where}: the field '{field}' {what}, which every biLM needs. Add it, or use the options.json that "
        "was published with the weights."
    )
    EL003 = "{where}: '{field}' is {got!r}, but must be {expected}."
    EL004 = "{where}: '{field}' is {got!r}, which contradicts {other}: {rule}."
    EL005 = "{where} is not valid JSON ({reason}). Point to the options.json that belongs to the weights."
    EL250 = (
        "'{path}' is of a biLM that reads words, not characters ({why}): not supported. Supported are biLMs "
        "with a character encoder (`char_cnn` in the options, an array `char_embed` in the weights). If the "
        "weights are such, use the options.json that was published with them; else train the model with "
        "characters."
    )
    EL255 = (
        "{where}: the field '{field}' is there twice, with different values ({first} and {second}). Keep the one "
        "that the weights were trained with."
    )
    EL264 = (
        "{where}: '{field}' is {got!r}. Outputs of such a model would be wrong: {rule}. The model cannot be run."
    )

    # Finding and reading weights
    EL010 = (
        "No ELMo found at '{source}': it is neither a file or folder here nor a published model's name, which "
        "`spacy-elmo models` lists. {closest}"
    )
    EL012 = (
        "The bundled model '{name}' is missing from this installation: there is no folder '{path}'. Install "
        "spacy-elmo again, or give the folder of another model as source."
    )
    EL013 = (
        "The folder '{path}' holds no ELMo. In it: {found}. Readable: options.json with weights in HDF5 or "
        "safetensors, or with a checkpoint of bilm-tf; the module elmo of TF Hub; models of Spark NLP and "
        "ELMoForManyLangs; AllenNLP's model.tar.gz; each as it was published, unpacked or not."
    )
    EL014 = (
        "The folder '{path}' holds more than one {what} file ({found}). Give the pair of files, "
        "[options, weights], instead of the folder."
    )
    EL015 = (
        "No options file found for the weights '{path}': looked for {tried}. Put options.json beside the "
        "weights, or give the pair [options, weights]."
    )
    EL016 = (
        "'{path}' is {what}, and cannot be read as ELMo weights. Readable as one file of a pair: HDF5 (bilm-tf, "
        "AllenNLP, simple_elmo), safetensors (this package) and a checkpoint's .index; an archive is given alone."
    )
    EL017 = (
        "'{path}' is a pickle, as Python and PyTorch write them. Refused, because reading a pickle can run code "
        "from the file. Those of ELMoForManyLangs (encoder.pkl and token_embedder.pkl in one folder) and of "
        "AllenNLP (weights.th beside config.json) are read as numbers alone. Else give the HDF5 or safetensors "
        "file of the same model."
    )
    EL018 = (
        "'{path}' cannot be opened as HDF5: it is cut short or damaged ({reason}). It has {size:,} bytes; "
        "compare that with where it came from, and fetch it again."
    )
    EL019 = (
        "'{path}' is a valid {format} file, but not a biLM: it lacks {missing}{more}. It holds {found}. Give "
        "the weights that belong to '{options}'."
    )
    EL020 = (
        "{path}: the array '{name}' has shape {got}, but '{options}' calls for {expected}. The weights and "
        "the options belong to different models."
    )
    EL021 = (
        "{path}: the array '{name}' holds {got}, but weights must be floating-point numbers "
        "(float16, float32 or float64)."
    )
    EL022 = (
        "{path}: the array '{name}'{more} is not part of the model that '{options}' describes. The weights "
        "and the options belong to different models."
    )
    EL023 = "'{path}' is cut short or damaged: {reason}. Write or fetch it again."
    EL024 = "'{path}' needs the package {package}. Install it: pip install {package}"
    EL025 = "A pair of files as source is [options, weights]; got {got}."
    EL026 = "No file '{path}'. {closest}"
    EL027 = "The source must be a name, a path or a pair of paths [options, weights]; got {got}."
    EL028 = (
        "'{path}' is a folder, but a pair of files was asked for: give [options, weights], or the folder alone."
    )
    EL181 = (
        "'{path}' is damaged: its content is not what was written there. Fetch it again, or take another copy; a "
        "saved pipeline can be made again by training, or from its `source`."
    )

    EL251 = (
        "'{path}' is {what}, and is not read: only regular files are. Copy its content to a file, and give that."
    )
    EL252 = (
        "'{path}' has {size:,} bytes, but a file of its kind has at most {most:,}. It is damaged, or not what its "
        "name says: take the file that was published with the weights."
    )
    EL253 = "'{path}' cannot be read ({reason}). {advice}"
    EL258 = "'{path}' is compressed ({kind}), and is not read so. Unpack it first: {command}"
    EL260 = (
        "'{path}' was changed after the model was loaded from it, so the original weights are lost. Load the "
        "model again, and write new weights to a new file instead of over the old one."
    )
    EL263 = (
        "The folder '{path}' holds nothing but one folder in another, {n} deep or more. Give the folder that the "
        "model's files are in."
    )

    # Running a model
    EL030 = "Unknown {what} {got!r}. Allowed: {allowed}."
    EL031 = (
        "Layer '{got}' does not exist: this model has {n_layers} LSTM layer(s), hence {allowed}. "
        "Choose one of these."
    )
    EL033 = (
        "Sentences are lists of token texts: sentence {index} is {got}. A single sentence is written as a list "
        "of one, elmo.embed([tokens]); for text, call elmo.embed_texts([text]), or tokenize first: "
        "elmo.embed([text.split()])."
    )
    EL034 = "Tokens must be str: token {token} of sentence {sentence} is {got}. {advice}"
    EL035 = (
        "The layer '{name}' was not kept. Kept: {kept}. Ask for it: `layers` of embed(), or `layers` and "
        "`pooling_layer` in the component's config."
    )
    EL036 = (
        "stack() needs word_emb and all LSTM layers, but only these were computed: {kept}. Call "
        "embed() with layers='*'."
    )
    EL037 = (
        "stream() chooses its own batches, and with initial_state = 'carry' the vectors depend on them. Call "
        "embed() once for each batch."
    )
    EL038 = "'{name}' must be a whole number from {low} up; got {got!r}."
    EL039 = (
        "`layers` is '*' or a list of layer names; got {got!r}. To keep one layer only, write it as a list: "
        "['elmo']."
    )
    EL040 = "device '{device}' cannot be used here: {reason}. Use 'cpu', 'cuda' or 'cuda:N'."
    EL041 = (
        "precision = '{got}' runs on the device type {devices} only, and the device is '{device}'. Use such a "
        "device, or precision 'fp32'."
    )
    EL042 = (
        "precision = '{got}' needs a processor that {what}; not all of this is here. Use precision 'fp32', "
        "which runs everywhere."
    )

    EL240 = (
        "embed() takes an iterable of sentences, each a list of token texts; got {got}. For text, call "
        "elmo.embed_texts([text]); for tokens, elmo.embed([tokens])."
    )
    EL241 = (
        "The mix has {n_weights} weights, but {n_layers} layers are mixed: word_emb and each LSTM layer. Give a "
        "ScalarMix(n_layers={n_layers})."
    )
    EL242 = "`mix` must be a spacy_elmo.bilm.scalar_mix.ScalarMix; got {got}."
    EL243 = (
        "The rows of LayerOutputs are chosen by a whole number, a slice, or a list or array of whole numbers or "
        "of booleans; got {got}. A layer is chosen by its name: outputs['elmo'], or outputs.elmo."
    )
    EL244 = "These are the layers of one token: they have no rows. Take the array, such as outputs.elmo."
    EL245 = (
        "embed_texts() takes an iterable of texts, each a str; got {got}. For one text, call "
        "elmo.embed_texts([text]), or elmo(text); for tokens, elmo.embed([tokens])."
    )
    EL246 = (
        "lang = {got!r} is not a language that spaCy has a tokenizer for ({reason}). Give its code, such as 'en'."
    )
    EL247 = (
        "There are outputs of {n_outputs} Docs for {n_docs} Docs. Give the Docs that predict() was called with."
    )
    EL249 = (
        "nlp must be a spaCy pipeline; got {got}. Load it, nlp = spacy.load(name); for the tokenizer of a "
        "language, give lang in its place."
    )
    EL248 = "Calling an Elmo takes one text, a str; got {got}. For tokens, call elmo.embed([tokens])."

    # Warm states
    EL095 = "A warm state needs {least} sentences with tokens or more; got {got}. {advice}"
    EL096 = (
        "The output '{path}' {what}. Give a new folder or an empty one; or the source's own, if that holds "
        "options.json and weights.safetensors."
    )

    # Running on a GPU
    EL166 = (
        "The GPU ran out of memory over one sentence of {tokens:,} tokens ({reason}). Split it, free memory on "
        "the GPU, or run it on the device 'cpu'."
    )
