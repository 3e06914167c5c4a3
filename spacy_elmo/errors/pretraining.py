"""Of pre-training and language models."""

from .codes import WithCodes


class PretrainingErrors(metaclass=WithCodes):
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
    EL208 = (
        "The text comes from standard input or a pipe, which {size} processes cannot all read. Give files, or run "
        "one process."
    )

    EL092 = "'{path}' could not be written: {reason}. What was there before is whole. Make room, and try again."

    # Language models
    EL090 = (
        "'{path}' holds no softmax, without which a biLM predicts no words. Published HDF5 files never have one: "
        "bilm-tf leaves it out of them, and keeps it in its checkpoints. Give one of these, as in "
        "run/model.ckpt-1000, or the folder of a model that `spacy-elmo pretrain` has made."
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

    # Runs
    EL270 = (
        "These are settings of bilm-tf's trainer, which [model.options] does not have: {meanings}. Set them there "
        "and remove them here; or let `spacy-elmo init-pretrain --options FILE` translate the whole options.json."
    )
    EL271 = (
        "{where}: `share_embedding_softmax` is true, but this model reads characters, and has no embeddings of "
        "words that a softmax could share. Set it to false."
    )
    EL272 = "{where}: `bidirectional` is false, but a biLM is trained in both directions. Set it to true."
    EL273 = (
        "Another process trains in '{path}' now. Wait until it has ended or stop it, or give another output "
        "folder."
    )
