"""Of the command line."""

from .codes import WithCodes


class CommandErrors(metaclass=WithCodes):
    # The command line
    EL060 = "'{path}' is of no known kind of file ({suffix!r}). Allowed: {allowed}."
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

    # Inputs
    EL200 = (
        "The pattern '{pattern}' matches no file. Give one that does, with the folder in front, such as "
        "'news/*.txt.gz'."
    )
    EL201 = (
        "The folder '{path}' holds no file that can be read. In it: {found}. Known by their endings are {allowed}."
    )
    EL202 = (
        "The folder '{path}' holds files of several formats: {kinds}. Some may hold the same text. Choose one "
        "with --format (corpus.format in a config), or by a pattern such as '{path}/*.{example}'."
    )
    EL203 = "'{path}' cannot be read: {reason}."
    EL204 = "Standard input is given {n} times, and can be read once only. Give - once."
    EL205 = "'{path}' is {what}, and text must be UTF-8. {how}."
    EL206 = (
        "'{path}' ends its lines with carriage returns alone, and here only line feeds end lines: many would be "
        "read as one. Convert it: tr '\\r' '\\n' <OLD >NEW"
    )
    EL207 = (
        "--format {format} and --{option} exclude each other: such files are split into tokens already. Give one "
        "of the two."
    )

    # Files that are written, and the command line around them
    EL220 = "'{path}' is no regular file, and is not replaced. Give the name of a file."
    EL221 = "'{path}' could not be written: {reason}. {advice}"
    EL222 = "'-' stands for standard output, which cannot take {what}. Give a name; a file of that name is './-'."
    EL223 = "The output '{path}' has the ending {suffix!r}, but {what} is written. Allowed: {allowed}, or none."
    EL224 = "The folder '{path}' holds {what}. Give --force to replace it, or another folder."
    EL225 = "{reason}: '{path}'. Check the name, and that you may read or write it."
    EL226 = "Standard output could not be written: {reason}. Send it elsewhere."
    EL227 = (
        "spaCy can make no config for --pipeline {pipeline} and --lang {lang}: {reason} Give components and a "
        "language that it has, or a config of your own."
    )
