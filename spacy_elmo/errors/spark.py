"""Messages of the stages for Spark."""

from .classes import WithCodes


class SparkErrors(metaclass=WithCodes):
    EL850 = (
        "The stages for Spark require the package {package}. Install it: pip install -c constraints.txt "
        '".[spark]", in this environment and in that of the workers.'
    )
    EL851 = (
        "The column '{column}' does not exist in the data frame. It has: {columns}. Set the columns with "
        "{setter}()."
    )
    EL852 = (
        "{stage} reads {wanted}; got {got}. Set the columns with setInputCols(). The metadata of an annotation "
        "column says what is in it: {{'annotatorType': 'token'}}. If another program has lost it, put it back: "
        "frame.withMetadata('token', {{'annotatorType': 'token'}})."
    )
    EL853 = (
        "Row {row} of partition {partition} (its text begins with {text!r}): {what} annotation {number} is null, "
        "or has no text. Remove it from the row, such as with F.filter(column, lambda one: "
        "one['result'].isNotNull())."
    )
    EL854 = (
        "Row {row} of partition {partition} has {n:,} tokens; with vectors of {width} numbers, a row of Spark can "
        "hold at most {most:,}. Split its text into several rows, or set a pooling: setPooling('AVERAGE')."
    )
    EL855 = (
        "The saved stage '{path}' has no complete weights ({reason}): saving was interrupted, or files were "
        "removed. Save the stage again."
    )
    EL856 = (
        "The column '{column}' is of type {type}, which Spark {version} cannot pass through Python. Drop it, or "
        "cast it to string; ElmoEmbeddings and its stages do without this from Spark 4.1 on."
    )
    EL857 = (
        "{stage}.setInputCols() requires the names of columns, such as setInputCols('sentence', 'token'); got "
        "{got}."
    )
    EL858 = (
        "remote_loc = {got!r} is not supported. Set the environment variable SPACY_ELMO_MIRROR to the place from "
        "which models are downloaded, or give the path of a model as `source`: ElmoEmbeddings(source=path)."
    )
    EL859 = (
        "'{name}' is a model for the language '{language}'; got lang = '{lang}'. Models for '{lang}': {models}."
    )
    EL860 = (
        "For a data frame of Spark, `nlp` must be the name of a pipeline that is installed on all workers, such "
        "as 'blank:en'; got an object of type {got}."
    )
    EL861 = (
        "The result would have the columns '{one}' and '{other}', which Spark cannot tell apart. Rename or drop "
        "the column of the data frame, frame.withColumnRenamed('{one}', '{one}_given'), or give another `column`."
    )
    EL862 = (
        "Row {row} of partition {partition} is not text in UTF-8 ({reason}): {text!r}. Decode the column before: "
        "F.decode(column, 'ISO-8859-1'), or the encoding that it has."
    )
    EL863 = (
        "'{path}' is not a saved ElmoEmbeddings, but {got}. Load it with that class, or a whole pipeline with "
        "PipelineModel.load()."
    )
    EL864 = (
        "start({name}=...) is not a setting of Spark: these begin with 'spark_', such as "
        "start(spark_driver_memory='4g')."
    )
    EL865 = (
        "The model of this stage was removed from '{path}' after it was loaded, perhaps by a program that cleans "
        "up temporary files. Load the stage again; set TMPDIR to a folder that is not cleaned."
    )
    EL866 = (
        "'{path}' has no saved stage ({reason}). Give the folder that ElmoEmbeddings.save() wrote. Spark looks "
        "for a path without a scheme in its default file system; for a folder of this machine, begin it with "
        "file://."
    )
