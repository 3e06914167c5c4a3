"""Every message that a user can meet: what was got, what is allowed, what to change."""

from typing import Any, Dict, Optional, Tuple


class _WithCodes(type):
    """Puts the attribute's name in front of its text: `Errors.EL001` reads "[EL001] ..."."""

    def __new__(mcs, name: str, bases: Tuple[type, ...], namespace: Dict[str, Any]) -> "_WithCodes":
        coded = {
            key: f"[{key}] {value}" if not key.startswith("_") and isinstance(value, str) else value
            for key, value in namespace.items()
        }
        return super().__new__(mcs, name, bases, coded)


class Errors(metaclass=_WithCodes):
    # Options
    EL001 = "{where}: unknown field '{field}'. Allowed here: {allowed}. Remove it, or correct its name{hint}."
    EL002 = (
        "{where}: the field '{field}' is missing, which every biLM needs. Add it, or use the options.json that "
        "was published with the weights."
    )
    EL003 = "{where}: '{field}' is {got!r}, but must be {expected}."
    EL004 = "{where}: '{field}' is {got!r}, which contradicts {other}: {rule}."
    EL005 = "{where} is not valid JSON ({reason}). Point to the options.json that belongs to the weights."

    # Finding and reading weights
    EL010 = (
        "No ELMo found at '{source}': it is neither a file or folder here nor a name in the catalogue "
        "({catalogue}). {closest}"
    )
    EL011 = (
        "'{name}' is published as two files that this version does not fetch by itself. Download {options} "
        "and {weights} into one folder, and give that folder as source."
    )
    EL012 = (
        "The bundled model '{name}' is missing from this installation: there is no folder '{path}'. Install "
        "spacy-elmo again, or give the folder of another model as source."
    )
    EL013 = (
        "The folder '{path}' holds no ELMo: it needs options.json with weights.hdf5 or weights.safetensors, "
        "but holds {found}."
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
        "'{path}' is {what}, and cannot be read as ELMo weights. Readable: HDF5 (bilm-tf, AllenNLP) and "
        "safetensors (this package), each with its options.json."
    )
    EL017 = (
        "'{path}' is a pickle, as Python and PyTorch write them. Refused, because reading a pickle can run code "
        "from the file. Give the HDF5 or safetensors file of the same model."
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

    # Running a model
    EL030 = "Unknown {what} {got!r}. Allowed: {allowed}."
    EL031 = (
        "Layer '{got}' does not exist: this model has {n_layers} LSTM layer(s), hence {allowed}. "
        "Choose one of these."
    )
    EL033 = (
        "Sentences are lists of token texts: sentence {index} is {got}. For text, tokenize first: "
        "elmo.embed([text.split()])."
    )
    EL034 = "Tokens must be str: token {token} of sentence {sentence} is {got}."
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
    EL040 = "device '{device}' cannot be used here: {reason}. Use 'cpu', or a device that torch sees."
    EL041 = (
        "precision = '{got}' runs on the CPU only, and the device is '{device}'. Use device 'cpu', or precision "
        "'fp32'."
    )
    EL042 = (
        "precision = '{got}' needs a processor that {what}; not all of this is here. Use precision 'fp32', "
        "which runs everywhere."
    )

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
        "doc._.elmo holds {rows} rows, but the Doc has {tokens} tokens: it was retokenized after the "
        "embedder ran. Run the embedder again, after the component that changes the tokens."
    )
    EL054 = (
        "Two spans of `get_spans` overlap at token {token} of a Doc ('{text}'). Every token may be in at most "
        "one span; choose another `get_spans`."
    )
    EL055 = (
        "{what} has no ELMo vector. Only Docs that the embedder processed, and their Spans and Tokens, have one."
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
    EL124 = "'width' is shared by two directions and must be even; got {got}."

    # The command line
    EL060 = "'{path}' is of no known kind of input ({suffix!r}). Allowed: {allowed}."
    EL097 = (
        "'{path}' holds text that is not split into tokens. Say how to split it: --lang en for the rules of a "
        "language, or --pipeline for a spaCy pipeline."
    )
    EL061 = "{path}, line {line}: {reason}."
    EL062 = "'{path}' holds nothing to embed."
    EL063 = "'{path}' is a folder; give a file name for the output, such as {path}/elmo.h5."
    EL064 = "The folder of '{path}' does not exist. Create it, or choose another output file."
    EL065 = "--{one} and --{other} exclude each other. Give one of them."
    EL066 = "The output '{path}' is a file that this command reads. Choose another output file."
    EL067 = "The output '{path}' exists and is no regular file. Choose another output file."

    EL068 = "The file '{path}' exists. Give --force to replace it, or another name."
    EL069 = "'{path}' holds no losses yet. Draw it once the run has logged some."
    EL115 = (
        "'{path}' is no log of training. Give the folder of a pre-training run, or the file that `spacy train` "
        'writes when [training.logger] has @loggers = "spacy.ConsoleLogger.v3" and an output_file.'
    )
    EL116 = (
        "'{path}' is the log of a pre-training run, which has a picture of its own. Draw it alone, or give logs "
        "of `spacy train` only."
    )
    EL117 = (
        "'{got}' is no pipeline that can be loaded ({reason}). Give the folder of a saved pipeline, or the name "
        "of an installed one."
    )
    EL118 = (
        "The pipeline '{name}' holds no scalar mix: none of its components ({components}) is an elmo_embedder, or "
        "has a listener to one. Give a pipeline that was trained with ELMo."
    )

    # Pre-training
    EL070 = (
        "'{got}' is no pipeline that can split text ({reason}). Give 'blank:' with a language code, such as "
        "'blank:en', or the name or folder of an installed pipeline."
    )
    EL071 = "There is no token in the text that '{path}' is made of. Give text files that hold sentences."
    EL072 = (
        "'{path}' is no vocabulary: it lacks {missing}. A vocab.txt has a word a line, the most frequent first, "
        "with <S>, </S> and <UNK> among them. Make one with: spacy-elmo vocab"
    )
    EL073 = "{path}, line {line}: the word '{word}' stands there a second time. Remove one of the two."
    EL074 = (
        "The config cannot be used:\n{problems}\nCorrect it, or write a new one to start from with: spacy-elmo "
        "init-pretrain"
    )
    EL075 = (
        "The checkpoint '{path}' could not be written: {reason}. The checkpoints before it are whole; make room, "
        "and go on with --resume."
    )
    EL076 = (
        "None of the {count} checkpoint(s) in '{path}' can be read: all are damaged. Start anew in another output "
        "folder, from the weights that you have with `source`, if any."
    )
    EL077 = (
        "The cutoffs of an adaptive softmax must rise from 1 up and stay below the {n_words} words of the "
        "vocabulary; got {got}. Change softmax.cutoffs."
    )
    EL078 = (
        "'{path}' already holds a pre-training run or its model. Go on with it by --resume, or give another "
        "output folder."
    )
    EL079 = (
        "'{path}' holds no checkpoint to go on from. Begin a run without --resume, in another output folder if "
        "this one has a model; that model can be continued with `source`."
    )
    EL082 = (
        "softmax.div_value = {got} leaves the last of the {n} clusters of an adaptive softmax no width: the "
        "model's is {width}. Take a smaller div_value, or fewer cutoffs."
    )
    EL080 = (
        "The run in '{path}' cannot go on with other settings than it began with:\n{changes}\nUse the old ones, "
        "or start in another output folder; a model can be continued with other settings by `source`."
    )
    EL081 = (
        "The {n_rows} rows of a batch cannot be shared evenly by {size} processes. Change training.n_rows, or the "
        "number of processes."
    )
    EL083 = (
        "Batch {batch}, or one soon before it, has a loss or gradients that are no finite numbers: {got}. It was "
        "not saved; checkpoints in '{path}' are from before. Begin a new run with a lower optimizer.learn_rate "
        "(now {learn_rate}), a longer optimizer.warmup_steps, or training.precision = 'fp32'."
    )
    EL084 = (
        "Process {rank} does not see the text that the first one has written to '{path}'. Give an output folder "
        "that all machines share."
    )
    EL085 = (
        "The published HDF5 layout holds float32 alone; got dtype '{got}'. Leave the dtype at float32, or choose "
        "the format safetensors."
    )
    EL086 = (
        "The array '{name}' holds {got:g}, but {dtype} goes no further than {most:g}. Write it as float32, if it "
        "was to be float16; otherwise these weights are of no use: fetch or train them again."
    )
    EL087 = "The export would overwrite {what}. Give another folder, or take away what is there."
    EL088 = (
        "'{path}' has {got:,} words, but the softmax of '{source}' predicts {expected:,}. Put the vocab.txt there "
        "that the model was trained with; or take the file away to continue with a new softmax."
    )
    EL089 = (
        "'{path}' holds {found} that no pre-training run has written, and that would be replaced. Give another "
        "output folder."
    )

    EL092 = "'{path}' could not be written: {reason}. What was there before is whole. Make room, and try again."

    # Language models
    EL090 = (
        "'{path}' holds no softmax, without which a biLM predicts no words. Published HDF5 files never have one: "
        "bilm-tf leaves it out of them, and keeps it in its checkpoints. Give the folder of a model "
        "that `spacy-elmo pretrain` has made."
    )
    EL091 = (
        "'{path}' is missing: the {n_words:,} words that the softmax predicts, one a line. Put the vocab.txt "
        "there that the model was trained with."
    )
    EL093 = (
        "'{path}' holds an adaptive softmax that cannot be: {rows} rows in its head, clusters of {sizes}. The "
        "head must have a row for each cluster and for at least one word. Write or fetch the weights again."
    )
    EL094 = (
        "'{source}' gives probabilities that are not numbers. Its weights, or some of them, are not finite: fetch "
        "them again, or train anew at a lower learning rate."
    )

    # Warm states
    EL095 = (
        "A warm state needs {least} sentences with tokens or more; got {got}. Give a longer text, or a higher "
        "--sentences."
    )
    EL096 = (
        "The output '{path}' {what}. Give a new folder or an empty one; or the source's own, if that holds "
        "options.json and weights.safetensors."
    )

    # The layer cache
    EL105 = "max_gb of the layer cache must be a number above 0, in units of 10^9 bytes; got {got!r}."
    EL106 = "The folder of the layer cache must be a path as text; got {got!r}. Name a folder for it to make."
    EL107 = (
        "With initial_state = 'carry' a sentence's layers depend on those before it, and cannot be cached. Take "
        "initial_state 'zero' or 'warm', or do without the layer cache."
    )

    # Configs of spaCy
    EL110 = "{where} is on ELMo already: see [components.{name}]. Change it there, or give a config without ELMo."
    EL111 = (
        "Nothing in {where} can be put on ELMo: none of its components ({pipeline}) has a tok2vec layer that "
        "could listen to it. Sourced components, and a senter with a layer of its own, are left as they are. Give "
        "a pipeline with a component that learns from vectors, such as tagger, parser, ner or textcat."
    )
    EL112 = "{where} has another component named '{name}'. Give the embedder another name: --upstream-name."
    EL113 = (
        "Give a config and an output, and --code if it needs that; or an output with --pipeline, such as "
        "--pipeline tagger,parser,ner, and --lang. Got {got}."
    )
    EL114 = (
        "'{path}' is no training config that spaCy could read: {reason}. Give a file as `spacy init config` "
        "writes it."
    )


class Warnings(metaclass=_WithCodes):
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


def check_number(name: str, got: Any, *, low: float, high: Optional[float] = None, below: bool = False) -> None:
    """RAISES: ValueError unless it is a number from `low` up; to `high`, or to less than that with `below`."""
    good = isinstance(got, (int, float)) and got >= low
    if high is not None:
        good = good and (got < high if below else got <= high)
    if not good:
        end = "up" if high is None else f"to less than {high}" if below else f"to {high}"
        raise ValueError(Errors.EL098.format(name=name, got=got, low=low, high=end))
