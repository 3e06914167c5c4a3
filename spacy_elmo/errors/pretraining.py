"""Messages of pre-training and of language models."""

from .classes import WithCodes


class PretrainingErrors(metaclass=WithCodes):
    # Pre-training
    EL070 = (
        "'{got}' is not a pipeline that can split text ({reason}). Give 'blank:' with a language code, such as "
        "'blank:en', or the name or folder of an installed pipeline."
    )
    EL071 = "The text for '{path}' contains no tokens. Give text files that contain sentences."
    EL072 = (
        "'{path}' is not a vocabulary: it lacks {missing}. A vocab.txt has one word per line, the most frequent "
        "first, and includes <S>, </S> and <UNK>. Create one with: spacy-elmo vocab"
    )
    EL073 = "{path}: {word} is on line {first} and again on line {line}. Remove one of the two."
    EL074 = "The config is not valid:\n{problems}\nCorrect it, or write a new one with: spacy-elmo init-pretrain"
    EL075 = (
        "The checkpoint '{path}' could not be written: {reason}. Earlier checkpoints are not affected. {advice} "
        "Then continue with --resume."
    )
    EL076 = (
        "None of the {count} checkpoint(s) in '{path}' can be read: all are damaged. Start again in another "
        "output folder; to start from existing weights, set `source`."
    )
    EL077 = (
        "The cutoffs of an adaptive softmax must increase, start at 1 or more, and stay below the {n_words} words "
        "of the vocabulary; got {got}. Change softmax.cutoffs."
    )
    EL078 = (
        "'{path}' already contains a pre-training run or its model. Continue it with --resume, or give another "
        "output folder."
    )
    EL079 = (
        "'{path}' contains no checkpoint to resume from. Start a run without --resume. If this folder contains a "
        "model, use another output folder; the model can be trained further by setting `source`."
    )
    EL082 = (
        "softmax.div_value = {got} leaves no width for the last of the {n} clusters of an adaptive softmax; the "
        "width of the model is {width}. Use a smaller div_value, or fewer cutoffs."
    )
    EL080 = (
        "The run in '{path}' cannot be resumed with other settings than it was started with:\n{changes}\nUse the "
        "original settings, or start in another output folder. To train a model further with other settings, set "
        "`source`."
    )
    EL081 = (
        "The {n_rows} rows of a batch cannot be divided evenly among {size} processes. Change training.n_rows, or "
        "the number of processes."
    )
    EL083 = (
        "The loss or the gradients of batch {batch}, or of one shortly before it, are not finite: {got}. This "
        "state was not saved; the checkpoints in '{path}' are from before. Start a new run with a lower "
        "optimizer.learn_rate (now {learn_rate}), a longer optimizer.warmup_steps, or training.precision = 'fp32'."
    )
    EL084 = (
        "Process {rank} cannot find the text that the first process has written to '{path}'. Give an output "
        "folder that all machines share."
    )
    EL085 = (
        "The published HDF5 format only supports float32; got dtype '{got}'. Use dtype float32, or the format "
        "safetensors."
    )
    EL086 = (
        "The array '{name}' contains {got:g}, but the largest number in {dtype} is {most:g}. If the target is "
        "float16, use float32 instead; otherwise these weights cannot be used: download or train them again."
    )
    EL087 = "The export would overwrite {what}. Give another folder, or remove what is there."
    EL088 = (
        "'{path}' has {got:,} words, but the softmax of '{source}' predicts {expected:,}. Put the vocab.txt there "
        "that the model was trained with; or, for `pretrain` to continue with a new softmax, remove the file."
    )
    EL089 = (
        "'{path}' contains {found} that a pre-training run did not write, and that would be replaced. Give "
        "another output folder."
    )
    EL208 = (
        "The text comes from standard input or a pipe, which {size} processes cannot share. Give files, or run "
        "one process."
    )

    EL092 = "'{path}' could not be written: {reason}. The previous content is not affected. {advice}"

    EL700 = (
        "[model] needs either `source`, the model to continue from, or [model.options], the options of a new "
        "model; got {got}. Set exactly one of them."
    )

    # Language models
    EL090 = (
        "'{path}' has no softmax, which a biLM needs to predict words. Published HDF5 files never include it: "
        "bilm-tf stores it only in its checkpoints. Give one of these, such as run/model.ckpt-1000, or the folder "
        "of a model that was trained with `spacy-elmo pretrain`."
    )
    EL091 = (
        "'{path}' is missing: the {n_words:,} words that the softmax predicts, one per line. Put the vocab.txt "
        "there that the model was trained with."
    )
    EL093 = (
        "'{path}' contains an invalid adaptive softmax: {rows} rows in its head, clusters of {sizes}. The head "
        "must have a row for each cluster and for at least one word. Write or download the weights again."
    )
    EL094 = (
        "'{source}' predicts probabilities that are not numbers, because some of its weights are not finite. "
        "Download them again, or train them again with a lower learning rate."
    )

    # Runs
    EL270 = (
        "These are settings of bilm-tf's trainer, which [model.options] does not support: {meanings}. Set them "
        "there and remove them here; or convert the complete options.json: spacy-elmo init-pretrain --options FILE"
    )
    EL271 = (
        "{where}: `share_embedding_softmax` is true, but this model reads characters, so it has no word "
        "embeddings that a softmax could share. Set it to false."
    )
    EL273 = (
        "Another process is training in '{path}'. Wait until it has finished, stop it, or give another output "
        "folder."
    )
