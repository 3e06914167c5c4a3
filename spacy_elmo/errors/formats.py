"""Messages of the readers of other programs' formats."""

from .classes import WithCodes


class FormatErrors(metaclass=WithCodes):
    # HDF5
    EL129 = (
        "The options give this model its own vocabulary (`char_cnn.characters`), but HDF5 files and checkpoints "
        "of bilm-tf only support UTF-8 bytes. Save the model as safetensors instead: spacy-elmo convert"
    )
    EL131 = (
        "{path}: '{name}' points to another file, which is not allowed. The file was not read, because a model's "
        "file must contain its own numbers. Download it again from where it was published."
    )
    EL132 = (
        "{path}: the array '{name}' claims the shape {shape}, {claimed:,} bytes, but only {stored:,} bytes are "
        "stored for it. The file is damaged, or was made to exhaust memory. Download it again from where it was "
        "published."
    )
    EL261 = (
        "{path}: the array '{name}' has shape {shape}, {claimed:,} bytes, but only {stored:,} bytes of it were "
        "ever written; the rest would read as zeros. The program that wrote the file did not finish. Write or "
        "download it again."
    )
    EL265 = (
        "'{path}' is a valid HDF5 file, but not a biLM: it contains more than {items:,} groups and arrays, or "
        "groups nested deeper than {depth}. Give the file that was published with the options."
    )

    # TensorFlow
    EL130 = (
        "'{path}' is a TensorFlow checkpoint, which requires TensorFlow to be read. Install it: pip install "
        "tensorflow. Or convert the model once on a machine that has it: spacy-elmo convert"
    )
    EL165 = (
        "'{path}' is a TensorFlow checkpoint, but TensorFlow cannot be imported ({reason}). Repair the "
        "installation, in a separate virtual environment if necessary, and convert the model there: spacy-elmo "
        "convert"
    )
    EL133 = (
        "'{path}' is a TensorFlow checkpoint, but not of one biLM: it has {n} variables named char_embed. It "
        "contains {found}. Give a bilm-tf checkpoint, the TF Hub module elmo, or Spark NLP's ElmoEmbeddings."
    )
    EL134 = (
        "{path}: the variable '{name}' is part of this model, but not of a biLM as bilm-tf builds it. The outputs "
        "would be wrong without it, so the model cannot be run."
    )
    EL135 = (
        "{path}: the array for '{name}' {got}. The file does not contain a complete biLM. Give that of a complete "
        "one."
    )
    EL164 = (
        "The checkpoint '{path}' refers to {claimed:,} bytes of numbers, but its data files ({files}) contain "
        "{stored:,}: one of them is truncated or missing. Copy or download all of them again."
    )

    # ELMoForManyLangs
    EL128 = (
        "'{path}' names its configuration '{name}', but that file is neither beside it nor in configs/, and is "
        "not the one that all published models share ({known}). Put that file beside '{path}'."
    )
    EL136 = (
        "'{path}' is a model of ELMoForManyLangs, but its file {name} is missing. The folder contains {found}. "
        "Unpack the complete archive again."
    )
    EL137 = (
        "{path}: no line for {missing}, which every vocabulary of ELMoForManyLangs has. Use the file that was "
        "published with the weights."
    )
    EL256 = (
        "{path} has {n} symbols, but '{weights}' has {n_rows} vectors. Each vector needs one symbol, numbered "
        "from 0 to {last} without duplicates ({what}). With another dictionary the outputs would be wrong. Use "
        "the file that was published with the weights."
    )
    EL257 = (
        "{path}, line {line}: the symbol {symbol} occurs a second time, with another number ({got}, previously "
        "{first}). Use the file that was published with the weights."
    )
    EL139 = (
        "'{path}' reads tokens with its own vocabulary, as ELMoForManyLangs does, but pre-training only supports "
        "UTF-8 bytes. Fine-tune the model in a pipeline (`frozen = false`), or start from a model in bilm-tf's "
        "format."
    )

    # PyTorch's pickles, AllenNLP's archives
    EL160 = (
        "'{path}' is a pickle that asks for {asked}, which may run code. It was not loaded, and "
        "nothing in it was run: weights only need tensors. If it is your own model, save its state_dict() instead "
        "of the model."
    )
    EL161 = (
        "'{path}' cannot be read as a PyTorch state_dict: {reason}. Its size is {size:,} bytes; compare that with "
        "the published size, and download the file again."
    )
    EL162 = (
        "'{path}' contains {n} ELMos: the names of their tensors begin with {prefixes}. Choose one, save its "
        "tensors alone (torch.save) as weights.th, and give the pair [options, weights]."
    )
    EL302 = (
        "'{path}' is a PyTorch file, but has other things than named tensors: {found}. If one of them is the "
        "state_dict of a model with an ELMo, save that alone: torch.save(torch.load('{name}')[KEY], 'weights.th')"
    )
    EL163 = "'{path}' contains no ELMo that can be run: {why}. It contains {found}. {advice}"
    EL138 = (
        "'{path}' has {n} trained scalar mixes; number {got} does not exist (they are numbered from 0). "
        "`spacy-elmo info` shows them."
    )

    # Files of programs that are not read
    EL290 = (
        "'{path}' is a SQLite database, as Magnitude's files of ELMo are, and cannot be read. These hold "
        "AllenNLP's published weights: use the original ones, small, medium or original (spacy-elmo models)."
    )
    EL291 = (
        "'{path}' is a file of MXNet's arrays, as GluonNLP's elmo_*.params are, and cannot be read. These hold "
        "AllenNLP's published weights: use the original ones. elmo_2x1024_128_2048cnn_1xhighway is small, "
        "elmo_2x2048_256_2048cnn_1xhighway medium, elmo_2x4096_512_2048cnn_2xhighway original, and the same with "
        "_5.5B is original_5.5B (spacy-elmo models)."
    )
    EL292 = (
        "'{path}' is a pickle of the Berkeley Neural Parser (benepar), and has no ELMo of its own: the parser "
        "reads the model that is called original here. Use that one: spacy-elmo download original"
    )
    EL293 = (
        "'{path}' is a pickle of Malaya, with the words and the softmax of its ELMo. Its LSTMs are in a "
        "TensorFlow graph (.pb) of another network, and cannot be read. Use a published model (spacy-elmo "
        "models), or train one: spacy-elmo pretrain"
    )

    # Files beside each other
    EL294 = (
        "'{path}' is in the cache of Hugging Face, and has {n} snapshots of the repository ({names}). Give the "
        "folder of one of them."
    )
    EL295 = (
        "The folder '{path}' contains several vocabularies of {n_words:,} words, as many as the softmax predicts "
        "({names}). Copy the one that the model was trained with to vocab.txt: the order of the words matters."
    )
    EL296 = (
        "'{path}' is Jsonnet, not JSON ({reason}): it has {what}. Only comments and trailing commas are read. "
        "Make JSON of it, for example by the package that AllenNLP uses (pip install jsonnet), and put it in its "
        "place: python -c \"import _jsonnet; print(_jsonnet.evaluate_file('{name}'))\" > new.json. Or give the "
        "pair [options, weights]."
    )
    EL297 = (
        "'{path}' reads tokens with its own vocabulary, which is in its options.json, and only there. Put that "
        "file beside it, or give the pair [options, weights]."
    )
    EL303 = (
        "'{path}' is in the cache of Hugging Face, and contains no ELMo, because a download was interrupted: the "
        "folder '{blobs}' has unfinished files ({names}). Download the repository again, or give it as source: "
        "hf://{repository}"
    )
    EL298 = (
        "'{path}' is a link to a file that does not exist. Download or copy the complete model again, with the "
        "files that its links lead to."
    )
