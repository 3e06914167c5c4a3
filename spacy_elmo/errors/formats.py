"""Of models in the formats of other programs."""

from .codes import WithCodes


class FormatErrors(metaclass=WithCodes):
    # HDF5
    EL129 = (
        "These options give the model a vocabulary of its own (`char_cnn.characters`), but bilm-tf's HDF5 files "
        "and checkpoints know UTF-8 bytes alone. Such a model is kept as safetensors: spacy-elmo convert."
    )
    EL131 = (
        "{path}: '{name}' points to another file. Refused: a model's file holds its own numbers. Fetch it again "
        "from where it was published."
    )
    EL132 = (
        "{path}: the array '{name}' claims the shape {shape}, {claimed:,} bytes, but {stored:,} bytes are stored "
        "for it. The file is damaged, or made to fill the memory. Fetch it again from where it was published."
    )
    EL261 = (
        "{path}: the array '{name}' has shape {shape}, {claimed:,} bytes, but only {stored:,} bytes of it were "
        "ever written; the rest would read as zeros. The program that wrote the file did not finish: write or "
        "fetch it again."
    )
    EL265 = (
        "'{path}' is a valid HDF5 file, but not a biLM: it has more than {items:,} groups and arrays, or groups "
        "more than {depth} deep. Give the file that was published with the options."
    )

    # TensorFlow
    EL130 = (
        "'{path}' is TensorFlow's, and is read by TensorFlow's own checkpoint reader, which is not installed. "
        "Install it: pip install tensorflow. Or convert the model once where it is installed: spacy-elmo convert."
    )
    EL165 = (
        "'{path}' is read by TensorFlow's checkpoint reader, but TensorFlow cannot be imported ({reason}). Mend "
        "the installation, in a virtual environment of its own if need be, and convert the model there: "
        "spacy-elmo convert."
    )
    EL133 = (
        "'{path}' is a TensorFlow checkpoint, but not of one biLM: it has {n} variables named char_embed. It "
        "holds {found}. Give a checkpoint of bilm-tf, the module elmo from TF Hub, or Spark NLP's ElmoEmbeddings."
    )
    EL134 = (
        "{path}: the variable '{name}' is part of this model, but of no biLM as bilm-tf builds it. Outputs "
        "without it would be wrong; the model cannot be run."
    )
    EL135 = "{path}: the variable for '{name}' {got}. The checkpoint is not of a whole biLM."
    EL164 = (
        "The checkpoint '{path}' speaks of {claimed:,} bytes of numbers, but its data files beside it ({files}) "
        "hold {stored:,}: one is cut short or missing. Copy or fetch all of them again."
    )

    # ELMoForManyLangs
    EL128 = (
        "'{path}' names its configuration '{name}', which lies neither beside it nor in configs/, and is not the "
        "one that all published models share ({known}). Put that file beside '{path}'."
    )
    EL136 = (
        "'{path}' is a model of ELMoForManyLangs, but its file {name} is missing; the folder holds {found}. "
        "Unpack the whole archive again."
    )
    EL137 = (
        "{path}: no line for {missing}. Every vocabulary of ELMoForManyLangs has it. Take the file that was "
        "published with the weights."
    )
    EL256 = (
        "{path} has {n} symbols, but the vectors in '{weights}' are {n_rows}: each needs one, with the numbers "
        "0 to {last}, each once ({what}). With another dictionary the vectors would be wrong. Take the file "
        "that was published with the weights."
    )
    EL257 = (
        "{path}, line {line}: the symbol {symbol} is there a second time, with another number ({got}, before "
        "{first}). Take the file that was published with the weights."
    )
    EL139 = (
        "'{path}' reads tokens by a vocabulary of its own, as ELMoForManyLangs does; pre-training knows UTF-8 "
        "bytes alone. Fine-tune it in a pipeline (`frozen = false`), or start from a model of bilm-tf's kind."
    )

    # PyTorch's pickles, AllenNLP's archives
    EL160 = (
        "'{path}' is a pickle that asks for {asked}, which may be code. Refused, and nothing of it was run: "
        "weights need tensors alone. If it is a model of your own, save its state_dict() instead of the model."
    )
    EL161 = (
        "'{path}' cannot be read as a state_dict of PyTorch's: {reason}. It has {size:,} bytes; compare that with "
        "where it came from, and fetch it again."
    )
    EL162 = (
        "'{path}' holds {n} ELMos, named {prefixes}. Choose one, save its state_dict() as weights.th, and give "
        "the pair [options, weights]."
    )
    EL163 = (
        "'{path}' holds no ELMo of AllenNLP's: no name in it ends with {ending}. It holds {found}. Give the "
        "archive of a model with an elmo_token_embedder, or with a module Elmo."
    )
    EL138 = (
        "'{path}' has {n} trained scalar mixes, and none with the number {got}: they are counted from 0. "
        "`spacy-elmo info` shows them."
    )
