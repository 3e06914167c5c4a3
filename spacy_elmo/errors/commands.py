"""Messages of the command line, its inputs and its outputs."""

from .classes import WithCodes


class CommandErrors(metaclass=WithCodes):
    # The command line
    EL060 = "'{path}' has an unknown file type ({suffix!r}). Allowed: {allowed}."
    EL061 = "{path}, line {line}: {reason}.{advice}"
    EL062 = "'{path}' contains nothing to embed. Check the files, or the program that wrote them."
    EL063 = "'{path}' is a folder. Add the name of a file to it."
    EL064 = "The folder of '{path}' does not exist. Create it, or choose another output file."
    EL065 = "--{one} and --{other} cannot be combined. Give only one of them."
    EL066 = "The output '{path}' is also an input of this command. Choose another output file."
    EL067 = "The output '{path}' exists and is not a regular file. Choose another output file."

    EL068 = "The file '{path}' already exists. Use --force to replace it, or give another name."
    EL069 = "'{path}' contains no losses yet. Plot it after the run has logged some."
    EL115 = (
        "'{path}' is not a training log. Give the folder of a pre-training run, or the file that `spacy train` "
        'writes if [training.logger] has @loggers = "spacy.ConsoleLogger.v3" and an output_file.'
    )
    EL116 = (
        "'{path}' is the log of a pre-training run, which cannot be plotted together with other logs. Plot it "
        "alone, or give only logs of `spacy train`."
    )
    EL117 = (
        "'{got}' is not a pipeline that can be loaded ({reason}). Give the folder of a saved pipeline, or the "
        "name of an installed one."
    )
    EL118 = (
        "The pipeline '{name}' has no scalar mix: none of its components ({components}) is an elmo_embedder or "
        "has a listener to one. Give a pipeline that was trained with ELMo."
    )

    EL701 = "The path is empty. Give a path, or '.' for the current folder."

    # Configs of spaCy
    EL110 = "{where} uses ELMo already: see [components.{name}]. Change it there, or give a config without ELMo."
    EL111 = (
        "Nothing in {where} can use ELMo: none of its components ({pipeline}) has a tok2vec layer that can be "
        "replaced with a listener. Sourced components, and a senter with its own layer, are not changed. Give a "
        "pipeline with a component that learns from vectors, such as tagger, parser, ner or textcat."
    )
    EL112 = (
        "{where} already has another component named '{name}'. Give the embedder another name with "
        "--upstream-name."
    )
    EL113 = (
        "Give a config and an output, and --code if the config requires it; or give an output with --pipeline "
        "(such as --pipeline tagger,parser,ner) and --lang. Got {got}."
    )
    EL114 = (
        "'{path}' is not a training config that spaCy can read: {reason}. Give a file in the format that `spacy "
        "init config` writes."
    )

    # Inputs
    EL200 = (
        "The pattern '{pattern}' matches no file. Give a pattern with the folder in front, such as "
        "'news/*.txt.gz'."
    )
    EL201 = "The folder '{path}' contains no {what}. It contains: {found}. {advice}"
    EL202 = (
        "The folder '{path}' contains files of several formats: {kinds}. Some may contain the same text. Choose "
        "one with --format (corpus.format in a config), or with a pattern such as '{path}/*.{example}'."
    )
    EL203 = "'{path}' cannot be read: {reason}. {advice}"
    EL204 = "Standard input was given {n} times, but can only be read once. Give - once."
    EL205 = "'{path}' is {what}, but text must be UTF-8. {advice}"
    EL206 = (
        "'{path}' ends its lines with carriage returns only, but lines must end with line feeds; many lines would "
        "be read as one. Convert it: tr '\\r' '\\n' <OLD >NEW"
    )
    EL207 = (
        "--format {format} and --{option} cannot be combined: files in this format are already tokenized. Give "
        "only one of them."
    )

    # Sequences
    EL305 = (
        "{path}, line {line}: residues before the first header. In FASTA, a line with '>' and an id begins each "
        "sequence. Add it; or, for text with blanks between tokens, give --format tokens."
    )
    EL306 = "{path}, line {line}: the sequence '{id}' contains '{got}'. {advice}"
    EL307 = (
        "Two sequences would have the name '{name}' in an HDF5 file: '{one}' ({one_where}) and '{other}' "
        "({other_where}). Rename or remove one of them, choose another part of the headers as the id (--id), or "
        "write Parquet."
    )
    EL308 = (
        "{path}, line {line}: {what} has more than {most:,} residues, and no sequence may have more. Split it, or "
        "remove it."
    )
    EL309 = (
        "{path}, line {line}: a header with {reason}. A header is '>', the id, and other words after a blank. "
        "Correct it, or choose another part of the headers as the id (--id)."
    )
    EL310 = (
        "FASTA files and others ('{path}') cannot be embedded into one file: sequences are stored by their ids, "
        "sentences by their numbers. Embed them one after the other, or into a folder."
    )
    EL311 = (
        "--id is for the headers of FASTA files, but '{path}' is not one. Leave it out, or give --format fasta."
    )
    EL312 = (
        "--split-char separates the fields of headers, and needs the number of one, --id from 0 up; got {got!r}. "
        "Leave it out to have the first word of a header as the id."
    )

    # Files that are written, and the command line around them
    EL220 = "'{path}' is not a regular file, and is not replaced. Remove it, or give another output."
    EL221 = "'{path}' could not be written: {reason}. {advice}"
    EL222 = "'-' stands for standard output, but {what} is written. Give a path; for one named '-', write './-'."
    EL223 = (
        "The output '{path}' has the ending {suffix!r}, but {what} is written. Allowed: {allowed}, or no ending."
    )
    EL224 = "The folder '{path}' contains {what}. Use --force to replace it, or give another folder."
    EL225 = "{reason}: '{path}'. Check the path and its permissions."
    EL226 = "Standard output could not be written: {reason}. Redirect it elsewhere."
    EL227 = (
        "spaCy cannot create a config for --pipeline {pipeline} and --lang {lang}: {reason}. Give components and "
        "a language that it supports, or your own config."
    )
    EL228 = (
        "'{path}' has no name for an output file in the folder '{folder}'. Save it as a file first, or give a "
        "file as the output, such as {folder}/elmo.h5."
    )
    EL229 = (
        "--forget-sentences leaves out an index that only HDF5 files have; a file in the format {format} has "
        "the text of each token. Leave the option out, or write HDF5."
    )
    EL230 = (
        "--{option} is for a folder of outputs, one file for each input, but '{path}' is one file. End it with "
        "a slash ('{path}/'), or leave the option out."
    )
    EL231 = (
        "'{one}' and '{other}' cannot both be embedded: their outputs would be '{path}' and '{also}'. Give a "
        "folder that contains both as the input, or embed one of them into another folder."
    )
    EL232 = (
        "The output '{path}' already exists ({n:,} in all). Use --resume to keep what exists and write the rest, "
        "--force to replace it, or give another folder."
    )
    EL233 = (
        "Not embedded: {n:,} of {total:,} input files. Correct the causes, and repeat the command with "
        "--resume, which embeds what is missing:\n{failures}"
    )
    EL234 = (
        "The process that embedded '{path}' has ended, perhaps because memory was short. Use fewer processes "
        "(--n-process), or a lower --max-batch-tokens."
    )
    EL235 = "Not begun, because they would fail in the same way: {n:,} more."
