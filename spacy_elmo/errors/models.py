"""Messages of models: their options, their files, running them."""

from .classes import WithCodes


class ModelErrors(metaclass=WithCodes):
    # Options
    EL001 = "{where}: unknown field '{field}'. Allowed here: {allowed}. Remove it, or correct its name{hint}."
    EL002 = (
        "{where}: the required field '{field}' {what}. Add it, or use the options.json that was published with "
        "the weights."
    )
    EL003 = "{where}: '{field}' is {got!r}, but must be {expected}."
    EL004 = "{where}: '{field}' is {got!r}, which contradicts {other}: {rule}."
    EL005 = "{where} is not valid JSON ({reason}). Give the options.json that belongs to the weights."
    EL250 = (
        "'{path}' belongs to a biLM that reads words instead of characters ({why}), which is not supported. "
        "Supported: biLMs with a character encoder (`char_cnn` in the options, an array `char_embed` in the "
        "weights). If the weights have one, use the options.json that was published with them; otherwise train "
        "the model with characters."
    )
    EL255 = (
        "{where}: the field '{field}' occurs twice, with different values ({first} and {second}). Keep the one "
        "that the weights were trained with."
    )
    EL264 = (
        "{where}: '{field}' is {got!r}, which is not supported: {rule}. The outputs of this model would be "
        "wrong, so it cannot be run."
    )

    # Finding and reading weights
    EL010 = (
        "No ELMo found at '{source}': it is neither an existing file or folder nor the name of a published model "
        "(list them with: spacy-elmo models). {closest}"
    )
    EL012 = (
        "The bundled model '{name}' is missing from this installation: the folder '{path}' does not exist. "
        "Reinstall spacy-elmo, or give the folder of another model as source."
    )
    EL013 = (
        "The folder '{path}' contains no ELMo. It contains: {found}.{hint} Supported: options.json with weights "
        "in HDF5 or safetensors, or with a bilm-tf checkpoint; the TF Hub module elmo; models of Spark NLP and "
        "ELMoForManyLangs; AllenNLP's model.tar.gz, or a state_dict of its ELMo; each as it was published, "
        "unpacked or not."
    )
    EL014 = (
        "The folder '{path}' contains more than one {what} file ({found}). Give the pair of files, [options, "
        "weights], instead of the folder."
    )
    EL016 = (
        "'{path}' is {what}, and cannot be read as ELMo weights. Supported as one file of a pair: HDF5 (bilm-tf, "
        "AllenNLP, simple_elmo), safetensors (this package), a state_dict (.th, .pt, .bin) and a checkpoint's "
        ".index. Give an archive by itself, without a pair."
    )
    EL017 = (
        "'{path}' is a pickle, as Python and PyTorch write them. It was not read, because a pickle can run code "
        "when it is loaded. Pickles of ELMoForManyLangs (encoder.pkl and token_embedder.pkl in one folder) and "
        "state_dicts of AllenNLP's ELMo (weights.th, or any other name) are supported, because only their numbers "
        "are read. For other models, give the HDF5 or safetensors file."
    )
    EL018 = (
        "'{path}' cannot be opened as HDF5: it is truncated or damaged ({reason}). Its size is {size:,} bytes; "
        "compare that with the published size, and download the file again."
    )
    EL019 = (
        "'{path}' is a valid {format} file, but not a biLM: it lacks {missing}{more}. It contains {found}. Give "
        "the weights that belong to '{options}'."
    )
    EL020 = (
        "{path}: the array '{name}' has shape {got}, but '{options}' requires {expected}. The weights and the "
        "options belong to different models. Give a pair that was published together."
    )
    EL021 = (
        "{path}: the array '{name}' contains {got}, but weights must be floating-point numbers (float16, float32 "
        "or float64)."
    )
    EL022 = (
        "{path}: the array '{name}'{more} is not part of the model that '{options}' describes. The weights and "
        "the options belong to different models. Give a pair that was published together."
    )
    EL023 = "'{path}' is truncated or damaged: {reason}. Write or download it again."
    EL024 = "'{path}' requires the package {package}. Install it: pip install {package}"
    EL025 = "A source that is a pair of files must be [options, weights]; got {got}."
    EL026 = "The file '{path}' does not exist. {closest}"
    EL027 = "`source` must be a name, a path or a pair of paths [options, weights]; got {got}."
    EL028 = "'{path}' is a folder, but a pair of files was expected. Give [options, weights], or the folder alone."
    EL029 = (
        "'{url}' is an address, but the other file of the pair is a path. Give two addresses or two paths: "
        "download the file by hand, or give the address alone if both files are there."
    )
    EL181 = (
        "'{path}' is damaged: its content does not match its checksum. Download it again, or use another copy. A "
        "saved pipeline can be created again by training, or from its `source`."
    )

    EL251 = "'{path}' is {what}; only regular files can be read. Copy its content to a file, and give that file."
    EL252 = (
        "'{path}' has {size:,} bytes, but a file of this kind has at most {most:,}. It is damaged, or not what "
        "its name says. Use the file that was published with the weights."
    )
    EL253 = "'{path}' cannot be read ({reason}). {advice}"
    EL258 = "'{path}' is compressed ({kind}), and cannot be read in this form. Unpack it first: {command}"
    EL299 = (
        "'{path}' is not the file itself{size}, but a pointer of Git LFS to it: the repository was cloned or "
        "copied without its large files. Get them by `git lfs install` and `git lfs pull` in the clone, or "
        "download the file from the page of the repository. A repository on Hugging Face can be given as "
        "source: hf://owner/name."
    )
    EL260 = (
        "'{path}' was changed after the model was loaded from it, so the original weights are lost. Load the "
        "model again, and write new weights to a new file instead of overwriting the old one."
    )
    EL263 = (
        "The folder '{path}' contains only folders nested in one another, to a depth of {n} or more. Give the "
        "folder that contains the model's files."
    )

    # Running a model
    EL030 = "Unknown {what} {got!r}. Allowed: {allowed}."
    EL031 = "Layer '{got}' does not exist: this model has {n_layers} LSTM layer(s). Allowed: {allowed}."
    EL033 = "Sentences must be lists of token texts; sentence {index} is {got}. {advice}"
    EL034 = "Tokens must be str: token {token} of sentence {sentence} is {got}. {advice}"
    EL035 = (
        "The layer '{name}' was not kept. Kept: {kept}. Add it to `layers` of embed(), or to `layers` or "
        "`pooling_layer` in the component's config."
    )
    EL036 = (
        "stack() requires word_emb and all LSTM layers, but only these were computed: {kept}. Call embed() with "
        "layers='*'."
    )
    EL037 = (
        "stream() and predict() choose their own batches, which affect the vectors if initial_state = 'carry'. "
        "Call embed() once for each batch instead."
    )
    EL038 = "'{name}' must be a whole number from {low} up; got {got!r}."
    EL039 = (
        "`layers` must be '*' or a list of layer names; got {got!r}. To keep a single layer, give a list with "
        "one name: ['elmo']."
    )
    EL040 = "device = '{device}' is not supported on this machine: {reason}. Use 'cpu', 'cuda' or 'cuda:N'."
    EL041 = (
        "precision = '{got}' is only supported on devices of type {devices}; got device = '{device}'. Use such a "
        "device, or precision = 'fp32'."
    )
    EL042 = (
        "precision = '{got}' is not supported on this machine; it requires a processor that {what}. Use "
        "precision = 'fp32', which runs everywhere."
    )

    EL240 = (
        "Sentences must be an iterable of lists of token texts; got {got}. For text, give [text.split()], or use "
        "Elmo.embed_texts([text]); for the tokens of a sentence, [tokens]; for the residues of a sequence, "
        "[list(sequence)]."
    )
    EL241 = (
        "The mix has {n_weights} weights, but {n_layers} layers are mixed (word_emb and each LSTM layer). Give a "
        "ScalarMix(n_layers={n_layers})."
    )
    EL262 = (
        "A mix takes tensors of torch; got {got}. Embed with embed(..., output='torch'), or convert arrays by "
        "torch.from_numpy()."
    )
    EL259 = (
        "Layers can be mixed if all have the same shape, (..., 2P), except that word_emb may be half as wide; "
        "got layers of shapes {shapes}. Give the layers of the same tokens."
    )
    EL242 = "`mix` must be a spacy_elmo.bilm.scalar_mix.ScalarMix; got {got}."
    EL243 = (
        "Rows of LayerOutputs are selected by a whole number, a slice, or a list or array of whole numbers or "
        "booleans; got {got}. To select a layer, use its name: outputs['elmo'], or outputs.elmo."
    )
    EL244 = (
        "These are the layers of a single token, which have no rows. Use the array itself, such as outputs.elmo."
    )
    EL245 = (
        "embed_texts() requires an iterable of texts, each a str; got {got}. For one text, call "
        "elmo.embed_texts([text]), or elmo(text); for tokens, elmo.embed([tokens])."
    )
    EL246 = (
        "lang = {got!r} is not a language that spaCy has a tokenizer for ({reason}). Give a language code, such "
        "as 'en'."
    )
    EL247 = "Got outputs of {n_outputs} Docs, but {n_docs} Docs. Give the Docs that predict() was called with."
    EL249 = (
        "nlp must be a spaCy pipeline; got {got}. Load one with spacy.load(name), or give `lang` instead to use "
        "the tokenizer of a language."
    )
    EL254 = (
        "The pipeline returned {n_docs:,} Docs for {n_texts:,} texts. Give one that returns all of them: a "
        "component or an error handler drops some."
    )
    EL248 = "An Elmo must be called with one text, a str; got {got}. For tokens, call elmo.embed([tokens])."

    # Warm states
    EL095 = "A warm state requires at least {least} sentences with tokens; got {got}. {advice}"
    EL096 = (
        "The output '{path}' {what}. Give a new or empty folder; or the folder of the source, if it contains "
        "options.json and weights.safetensors."
    )
    EL300 = (
        "initial_state = 'warm': '{name}' comes without a warm state. The sentences of this package, from which "
        "one can be made, are English prose, but this model was trained on {text}. Make a state from at least "
        "{least} sentences or sequences of that kind: spacy-elmo warm {name} TEXT --output FOLDER. Then give "
        "FOLDER as source, or use initial_state = 'zero'."
    )
    EL301 = (
        "initial_state = 'warm': the model '{source}' is stored without a warm state. The sentences of this "
        "package, from which one can be made, are English prose, and what this model was trained on is unknown: "
        "it is known only of published models that are given by name (spacy-elmo models). Make a state from at "
        "least {least} sentences of its language, or sequences of its kind: spacy-elmo warm SOURCE TEXT --output "
        "FOLDER. Then give FOLDER as source; a saved pipeline takes it by "
        "nlp.get_pipe('elmo_embedder').initialize(source=FOLDER) and nlp.to_disk. Or use initial_state = 'zero'."
    )
    EL304 = (
        "The output '{path}' belongs to a saved pipeline, whose file '{cfg}' has a checksum of these weights: "
        "with others, the pipeline could not be loaded. Give another folder. Then load the pipeline, and store "
        "the state in it: nlp.get_pipe('elmo_embedder').initialize(source=FOLDER) and nlp.to_disk."
    )

    # Running on a GPU
    EL166 = (
        "The GPU ran out of memory in a single sentence of {tokens:,} tokens ({reason}). Split the sentence, "
        "free memory on the GPU, or use device = 'cpu'."
    )
