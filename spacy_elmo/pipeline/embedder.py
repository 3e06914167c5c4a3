"""The pipeline component `elmo_embedder`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn, cast

from spacy import util
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer

from ..bilm.layers import (
    ALL,
    LayerChoice,
    check_layer_choice,
    check_layer_name,
    computed_layers,
    layer_names,
    resolve_layers,
)
from ..elmo import Elmo
from ..errors import ElmoError, Errors
from ..layer_cache.settings import CacheSettings, check_cache
from ..models.listener import SharedBatch
from ..models.output import ElmoOutput
from ..models.predict import Finish, Request
from ..models.runs import note_run, note_tensors
from ..models.tokens import rows_of
from ..models.wrapper import ElmoModelT, begin_predict, begin_update, device_of, holder_of, learnt, ready, shim_of
from ..util.batching import run_ahead, windows
from ..weights.source import Source, read_weights
from .annotations import TensorWriter, annotate, on_ops
from .hooks import install_extensions, install_hooks
from .listeners import ReadByListeners
from .pipeline_ref import PipelineRef
from .saving import SavedWithWeights
from .updates import Learning


class ElmoEmbedder(SavedWithWeights, ReadByListeners, TrainablePipe):
    """Runs a biLM over a Doc's sentences, writes its layers to the Doc, and gives them to the listeners in
    components behind it.

    vocab (Vocab): The shared vocabulary.
    model (Model): The Thinc model of `spacy-elmo.Elmo.v1`.
    name (str): The component's name.
    source (str | list[str]): Where the weights are read, once: on first use or by `initialize`. A
        component that was saved with its weights never looks there.
    pooling_layer (str): word_emb, lstm_outputs1, lstm_outputs2 (as many as the model has) or elmo.
    layers (str | list[str]): Layers kept in doc._.elmo; "*" keeps all that were computed for the
        pooling layer. Those that listeners read are kept as well.
    frozen (bool): The biLM learns nothing; mixes do.
    trainable (str | list[str]): If it is not frozen: regular expressions; a parameter of the biLM learns if
        one is found in its name, such as "forward_stack.layers.0.input_linear.weight".
    learn_rate_factor (float): The biLM's learning rate is the training's times this.
    warmup_steps (int): Over so many steps the biLM's learning rate grows to that.
    dropout (float): Share of the inputs of each LSTM layer that is zeroed in training, if it is not frozen.
    cache (CacheSettings | None): Where a frozen biLM's layers of the training text are kept on disk, so that
        they are computed once; null: nowhere.
    set_tensor (bool | None): Make the pooling layer doc.tensor. None: unless another component sets it.
    vectors (bool): Make .vector and .similarity() use the pooling layer.
    layers_on_gpu (bool): Leave doc._.elmo on the GPU where there is one, as doc.tensor is.
    RAISES (ValueError): for a value that is not allowed.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: ElmoModelT,
        name: str = "elmo_embedder",
        *,
        source: Source,
        pooling_layer: str = "elmo",
        layers: LayerChoice = ALL,
        frozen: bool = True,
        trainable: str | list[str] = ".*",
        learn_rate_factor: float = 0.3,
        warmup_steps: int = 200,
        dropout: float = 0.0,
        cache: CacheSettings | None = None,
        set_tensor: bool | None = None,
        vectors: bool = False,
        layers_on_gpu: bool = False,
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        # What is saved here would win over an edited config: all settings live in the config alone.
        self.cfg: dict[str, Any] = {}
        holder_of(model).training_settings.update(
            source=source,
            frozen=frozen,
            trainable=trainable,
            learn_rate_factor=learn_rate_factor,
            warmup_steps=warmup_steps,
            dropout=dropout,
            cache=check_cache(cache),
        )
        shim_of(model).reads_to_save = False
        self._pipeline = PipelineRef()
        self._learning = Learning(model)
        self._tensor = TensorWriter(set_tensor)
        self.be_read()
        self.pooling_layer = check_layer_name(pooling_layer, what="pooling_layer")
        self.layers = check_layer_choice(layers)
        self.vectors = vectors
        self.layers_on_gpu = layers_on_gpu
        if set_tensor is False and not self.layers:
            raise ElmoError(Errors.EL058.format(name=name))
        if vectors and set_tensor is False and self.layers != ALL and pooling_layer not in self.layers:
            raise ElmoError(Errors.EL051.format(layer=pooling_layer))
        install_extensions()

    def __repr__(self) -> str:
        has_weights, frozen = holder_of(self.model).has_weights, holder_of(self.model).training_settings.frozen
        of_model = f"pooling_layer={self.pooling_layer!r}, frozen={frozen}, has_weights={has_weights}"
        return f"ElmoEmbedder(name={self.name!r}, source={self.source!r}, {of_model})"

    def belongs_to(self, nlp: Language) -> None:
        """Know the pipeline, to see what a Doc does not tell: who listens, and who else writes doc.tensor. Another
        one that sources the component stays unknown."""
        self._pipeline = PipelineRef(nlp, self)

    @property
    def elmo(self) -> Elmo:
        """The model, with all that it has learnt; see `ready`."""
        return learnt(self.settled())

    def settled(self) -> ElmoModelT:
        """The Thinc model, once its weights were read and no step is owed; RAISES: as `ready`."""
        self.ready()
        self._learning.settle()
        return self.model

    def ready(self) -> Elmo:
        """The model, to ask what it is, whose weights are read now if they have not been.

        RAISES (FileNotFoundError, ElmoError, ImportError): As `spacy_elmo.load`.
        RAISES (ElmoError): If the pipeline's config has `nlp.initialize` read other weights, which was not called.
        """
        if not holder_of(self.model).has_weights:
            other = self.source_before_initialize()
            if other is not None and other != self.source:
                raise ElmoError(Errors.EL121.format(name=self.name, source=other))
        return ready(self.model)

    @property
    def unsettled(self) -> bool:
        """Whether a copy of the model would lack weights, or what it should have learnt by now."""
        return not holder_of(self.model).has_weights or self._learning.is_owed

    @property
    def set_tensor(self) -> bool | None:
        """Whether the pooling layer becomes doc.tensor; None: unless another component sets it."""
        return self._tensor.setting

    @property
    def is_disabled(self) -> bool:
        """Whether it is known not to be at work."""
        return self._pipeline.nlp is not None and not self._pipeline.is_enabled

    def source_before_initialize(self) -> Any:
        """What the pipeline's config has `nlp.initialize` read in place of the component's source, or None."""
        return self._pipeline.initial_source()

    def __call__(self, doc: Doc) -> Doc:
        """Embed one Doc."""
        self._learning.settle()
        self._prepare()
        return cast(Doc, super().__call__(doc))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Embed a stream of Docs, lazily and in order.

        batch_size (int): Docs to run together at most. Fewer if they are long: memory is bounded by
            `max_batch_tokens`, not by the number of Docs.
        """
        self._learning.settle()
        # Where a device works by itself, the Docs of the next batches are taken, and thus made, meanwhile.
        yield from run_ahead(self._batches(stream, batch_size), self._try_begin, self._finish, ahead=self._ahead)

    def predict(self, docs: Sequence[Doc]) -> ElmoOutput:
        """Layer outputs of the Docs, which stay as they are."""
        return self._begin(docs)()

    def set_annotations(self, docs: Sequence[Doc], output: ElmoOutput) -> None:
        """Write the outputs of `predict` to the Docs.

        RAISES (ElmoError): If they are of another number of Docs.
        """
        if len(docs) != len(output.docs):
            raise ElmoError(Errors.EL247.format(n_outputs=len(output.docs), n_docs=len(docs)))
        if not output.docs:
            return
        note_run(docs, self)
        keep = self._layers_to_keep(output.docs[0].n_layers, docs)
        layers, tensors = output.docs, output.tensors
        if tensors is None:
            layers, tensors = on_ops(
                layers,
                tensor=self._tensor_layer,
                keep=keep,
                ops=self.model.ops,
                layers_on_gpu=self.layers_on_gpu,
            )
        if tensors is not None:
            note_tensors(tensors)
        nothing = [None] * len(docs)
        left = self._tensor.find_left(docs, name=self.name)
        rows = zip(docs, layers, tensors or nothing, output.hashes or nothing, left, strict=True)
        for doc, own, tensor, hashes, is_left in rows:
            written = None if is_left else tensor
            annotate(doc, own, pooling_layer=self.pooling_layer, keep=keep, tensor=written, hashes=hashes)
            if self.vectors:
                install_hooks(doc)

    def _begin(self, docs: Sequence[Doc]) -> Finish:
        """Start to compute what `predict` gives."""
        self.look_at(docs)
        keep = self._layers_to_keep(self.ready().n_layers, docs)
        if self._learning.batch is not None:
            known = self._learning.known(docs, self._layers_to_compute(docs))
            if known is not None:
                output = known
                return lambda: output
        request = Request(layers=keep, tensor=self._tensor_layer, on_gpu=self.layers_on_gpu)
        return begin_predict(self.model, docs, request)

    def _try_begin(self, docs: list[Doc]) -> tuple[list[Doc], Finish]:
        self._prepare()
        try:
            return docs, self._begin(docs)
        except Exception as error:
            # It is the Docs' fault, and has its turn when the batches before have had theirs.
            return docs, partial(_fail, error)

    def _finish(self, begun: tuple[list[Doc], Finish]) -> Iterator[Doc]:
        docs, finish = begun
        try:
            self.set_annotations(docs, finish())
        except Exception as error:
            if len(docs) == 1 or self._carries:
                self.get_error_handler()(self.name, self, docs, error)
                return
        else:
            yield from docs
            return
        # One bad Doc must not take the others along. Here, no error holds on to what was computed with them.
        del begun, finish
        for doc in docs:
            yield from self._finish(self._try_begin([doc]))

    def _ahead(self) -> int:
        return 0 if self._carries else self.ready().budget.ahead

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]] | None = None,
        *,
        nlp: Language | None = None,
        source: str | list[str] | None = None,
    ) -> None:
        """Read the weights, unless they are there already; then take back all that they have learnt since they
        were read, or loaded with a pipeline.

        source: read these weights in place of those that the component has or would read. Set it under
            [initialize.components.elmo_embedder] for a path that matters only before training.
        """
        self._learning.forget()
        if nlp is not None:
            self.belongs_to(nlp)
        if source is not None:
            self._read(source)
        else:
            holder_of(self.model).restart()
        self._prepare()

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Run a batch once for all listeners, whose gradients are learnt from when they have come in.

        Its loss is the sum of squares of these gradients; 0 where nothing of it learns.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ElmoEmbedder.update")
        self._prepare()
        self._learning.settle()
        readers = self.readers
        docs = [example.predicted for example in examples]
        note_run(docs, self)
        self.look_at(docs)
        # Who listens may not be known, where spaCy has not linked it. What is frozen can be run when it comes.
        if docs and (readers or not holder_of(self.model).training_settings.frozen):

            def observe(squares: float) -> None:
                losses[self.name] += squares

            n_layers = self.ready().n_layers
            names = self.layers_listened_to(n_layers) if readers else layer_names(n_layers)
            layers = begin_update(self.model, docs, names)
            batch = SharedBatch(docs, layers, observe=observe)
            self._learning.begin(batch)
            for upstream in readers:
                upstream.batch = batch
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Take an optimizer step with what listeners have sent back since the last one."""
        self._learning.finish_update(sgd)

    def get_loss(self, examples: Iterable[Example], scores: Any) -> tuple[float, Any]:
        """The embedder has no loss of its own."""
        return 0.0, []

    def add_label(self, label: str) -> int:
        """The embedder has no labels."""
        return 0

    def use_params(self, params: Any) -> Iterator[None]:
        """For `nlp.use_params`, which steps through this: run with other values of the parameters, an optimizer's
        averages for instance."""
        self._learning.settle()
        yield from super().use_params(params)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._learning.settle()
        return super().__reduce_ex__(protocol)

    @property
    def _carries(self) -> bool:
        return holder_of(self.model).settings.initial_state == "carry"

    def _batches(self, stream: Iterable[Doc], batch_size: int) -> Iterator[list[Doc]]:
        if self._carries:
            # What a batch is, decides over the vectors: exactly as many Docs as the caller said.
            yield from util.minibatch(stream, size=batch_size)
        else:
            yield from windows(stream, size=rows_of, budget=lambda: self.ready().budget.tokens, most=batch_size)

    def _prepare(self) -> None:
        install_extensions()
        if self._pipeline.nlp is not None:
            self.link(self._pipeline.nlp)
        self._tensor.prepare(self._pipeline, name=self.name)
        # A source or a layer that does not exist is no Doc's fault: raised here, it passes by the error handler.
        self._layers_to_compute()

    def _read(self, source: Source) -> Elmo:
        return holder_of(self.model).fill(read_weights(source), device=device_of(self.model))

    @property
    def source(self) -> Source:
        """Where the weights are read, if they have not been."""
        return cast(Source, holder_of(self.model).training_settings.source)

    @property
    def _tensor_layer(self) -> str | None:
        return self.pooling_layer if self._tensor.writes else None

    def _layers_to_keep(self, n_layers: int, docs: Sequence[Doc] = ()) -> list[str]:
        chosen = self.layers
        if chosen == ALL:
            chosen = computed_layers([self.pooling_layer], n_layers=n_layers)
        elif self._tensor.may_leave and (self.vectors or self._tensor.find_foreign(docs)):
            # What would have been in doc.tensor alone.
            chosen = [*chosen, self.pooling_layer]
        return resolve_layers([*chosen, *self.layers_listened_to(n_layers)], n_layers=n_layers)

    def _layers_to_compute(self, docs: Sequence[Doc] = ()) -> list[str]:
        n_layers = self.ready().n_layers
        # Also where it is not computed: a name that the model does not have must not pass.
        pooling = resolve_layers([self.pooling_layer], n_layers=n_layers)
        wanted = [*self._layers_to_keep(n_layers, docs), *(pooling if self._tensor.writes else [])]
        return resolve_layers(wanted, n_layers=n_layers)


def _fail(error: Exception) -> NoReturn:
    raise error
