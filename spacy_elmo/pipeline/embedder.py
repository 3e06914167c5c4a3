"""The pipeline component `elmo_embedder`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, SupportsIndex, cast

from spacy import util
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer
from thinc.types import FloatsXd

from ..bilm.layers import ALL, LayerChoice, check_layer_choice, check_layer_name
from ..elmo import Elmo
from ..errors import ElmoError, Errors
from ..models.listener import SharedBatch, links
from ..models.module import ElmoModelT, get_module
from ..models.output import ElmoOutput
from ..models.predict import Request, submit_docs
from ..models.runs import note_run, note_tensors
from ..models.settings import TrainingSettings
from ..models.tok2vec import make_replaceable
from ..models.tokens import estimate_rows, sent_spans
from ..models.update import begin_update
from ..runtime.workers import Pending
from ..util.batching import run_ahead, windows
from ..weights.source import Source, read_weights, show_source
from .annotations import TensorWriter, annotate, move_to_ops
from .deferred_update import DeferredUpdate
from .extensions import install_extensions
from .hooks import install_hooks
from .layer_plan import LayerPlan, make_layer_plan
from .listeners import ReadByListeners
from .pipeline_ref import PipelineRef
from .saving import SavedWithWeights


class ElmoEmbedder(SavedWithWeights, ReadByListeners, TrainablePipe):
    """Runs a biLM over the sentences of a Doc, writes the layers to the Doc, and passes them to the listeners of
    later components.

    vocab (Vocab): The shared vocabulary.
    model (Model): The Thinc model of `spacy-elmo.Elmo.v1`.
    name (str): The component's name.
    training (TrainingSettings): The source of the weights, read once, on first use or by `initialize`, and how the
        biLM is trained. A component that was saved with its weights never reads the source.
    pooling_layer (str): What doc.tensor is: word_emb, lstm_outputs1, lstm_outputs2 (as many as there are) or elmo.
    layers (str | list[str]): Layers kept in doc._.elmo; "*" keeps all that were computed for the pooling layer.
        Those that listeners read are kept as well.
    set_tensor (bool | None): Make the pooling layer doc.tensor. None: unless another component sets it.
    vectors (bool): Make .vector and .similarity() use the pooling layer.
    layers_on_gpu (bool): Leave doc._.elmo on the GPU, if there is one, as doc.tensor is.
    RAISES (ElmoError): If a value is not allowed.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: ElmoModelT,
        name: str = "elmo_embedder",
        *,
        training: TrainingSettings,
        pooling_layer: str = "elmo",
        layers: LayerChoice = ALL,
        set_tensor: bool | None = None,
        vectors: bool = False,
        layers_on_gpu: bool = False,
    ):
        self.vocab = vocab
        self.model = make_replaceable(model, training)
        self.name = name
        # No settings are saved here: they would take precedence over an edited config.
        self.cfg: dict[str, object] = {}
        module = get_module(model)
        module.training_settings = training
        module.reads_to_save = False
        self._pipeline = PipelineRef()
        self._updates = DeferredUpdate(model)
        self._tensor = TensorWriter(set_tensor)
        self._layer_plan: LayerPlan | None = None
        self.init_listeners()
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
        module, model = get_module(self.model), f"pooling_layer={self.pooling_layer!r}"
        state = f"{model}, frozen={module.training_settings.frozen}, has_weights={module.has_weights}"
        return f"ElmoEmbedder(name={self.name!r}, source={show_source(self.source)!r}, {state})"

    def attach(self, nlp: Language) -> None:
        """Remember the pipeline, to find listeners and other components that write doc.tensor. spaCy does not call
        this for a pipeline that sources the component.

        nlp (Language): The pipeline.
        """
        self._pipeline = PipelineRef(nlp, self)

    @property
    def elmo(self) -> Elmo:
        """The model as it is trained so far; see `load`."""
        self.complete_model()
        return get_module(self.model).sync()

    def load(self) -> Elmo:
        """Get the model, to ask for its sizes and names; weights that have not been read are read now.

        RETURNS (Elmo): The model.
        RAISES (FileNotFoundError, ValueError, ImportError): As `spacy_elmo.load`.
        RAISES (ElmoError): If `nlp.initialize`, which would read other weights by the config, was not called.
        """
        module = get_module(self.model)
        if not module.has_weights:
            other = self.source_before_initialize()
            if other is not None and other != self.source:
                raise ElmoError(Errors.EL121.format(name=self.name, source=show_source(other)))
        return module.load()

    @property
    def source(self) -> Source:
        """The source of weights that have not been read yet."""
        return cast(Source, get_module(self.model).training_settings.source)

    @property
    def set_tensor(self) -> bool | None:
        """Whether the pooling layer becomes doc.tensor; None: unless another component sets it."""
        return self._tensor.setting

    @property
    def is_disabled(self) -> bool:
        """Whether it is disabled in its pipeline; False if the pipeline is unknown."""
        return self._pipeline.nlp is not None and not self._pipeline.is_enabled

    def __call__(self, doc: Doc) -> Doc:
        """Embed one Doc.

        doc (Doc): The Doc.
        RETURNS (Doc): The Doc itself.
        """
        self._updates.apply_pending()
        self._prepare()
        return cast(Doc, super().__call__(doc))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Embed a stream of Docs, lazily and in order.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): The most Docs to run together. `max_batch_tokens` bounds the memory: fewer long Docs run
            together.
        YIELDS (Doc): Each Doc.
        """
        if self._updates.batch is not None:
            self._updates.apply_pending()
        # While the device works, the Docs of the next batches are read from the stream, and thus made.
        yield from run_ahead(map(self._submit, self._batches(stream, batch_size)), ahead=self._count_ahead)

    def predict(self, docs: Sequence[Doc]) -> ElmoOutput:
        """Compute the layers of Docs, without a change to the Docs.

        docs (Sequence[Doc]): The Docs.
        RETURNS (ElmoOutput): Their layers.
        """
        return self._submit_docs(docs).result()

    def set_annotations(self, docs: Sequence[Doc], output: ElmoOutput) -> None:
        """Write the outputs of `predict` to the Docs.

        docs (Sequence[Doc]): The Docs.
        output (ElmoOutput): Their layers.
        RAISES (ElmoError): If the output has more or fewer Docs.
        """
        if len(docs) != len(output.docs):
            raise ElmoError(Errors.EL247.format(n_outputs=len(output.docs), n_docs=len(docs)))
        if not output.docs:
            return
        note_run(docs, self)
        plan = self._prepare()
        keep = self._get_kept(plan, docs)
        layers, tensors = output.docs, output.tensors
        if tensors is None:
            layers, tensors = move_to_ops(
                layers, tensor=plan.tensor, keep=keep, ops=self.model.ops, layers_on_gpu=self.layers_on_gpu
            )
        if tensors is not None:
            note_tensors(tensors)
        nothing = [None] * len(docs)
        kept = self._tensor.find_kept(docs, name=self.name)
        rows = zip(docs, layers, tensors or nothing, output.hashes or nothing, kept, strict=True)
        for doc, own, tensor, hashes, is_kept in rows:
            written = None if is_kept else tensor
            annotate(doc, own, pooling_layer=self.pooling_layer, keep=keep, tensor=written, hashes=hashes)
            if self.vectors:
                install_hooks(doc)

    def _submit_docs(self, docs: Sequence[Doc]) -> Pending[ElmoOutput]:
        """Start `predict`."""
        plan, module = self._prepare(), get_module(self.model)
        self._inspect(docs)
        if self._updates.batch is not None:
            output = self._updates.cached_output(docs, plan.compute)
            if output is not None:
                return Pending(lambda: output)
        request = Request(layers=self._get_kept(plan, docs), tensor=plan.tensor, on_gpu=self.layers_on_gpu)
        return submit_docs(module.sync(), module.map_tokens(docs), request, self.model.ops)

    def _inspect(self, docs: Sequence[Doc]) -> None:
        """Remember the Docs' vocabulary, and warn if sentence boundaries are missing."""
        self._last_vocab = docs[0].vocab if docs else self._last_vocab
        if get_module(self.model).map_tokens.get_spans is sent_spans:
            self._boundaries.check(docs, name=self.name)

    def _submit(self, docs: list[Doc]) -> Pending[Iterator[Doc]]:
        # Errors about a source or a layer are raised here: they concern no Doc, and bypass the error handler.
        self._prepare()
        try:
            pending = self._submit_docs(docs)
        except Exception as error:
            # The error belongs to these Docs; raise it after earlier batches are yielded.
            pending = Pending(partial(_fail, error))
        return Pending(partial(self._finish, docs, pending), pending.cancel)

    def _finish(self, docs: list[Doc], pending: Pending[ElmoOutput]) -> Iterator[Doc]:
        try:
            self.set_annotations(docs, pending.result())
        except Exception as error:
            if len(docs) == 1 or self._carries:
                self.get_error_handler()(self.name, self, docs, error)
                return
        else:
            yield from docs
            return
        # Run each Doc alone: one bad Doc must not affect the others. The error no longer keeps tensors alive here.
        del pending
        for doc in docs:
            yield from self._submit([doc]).result()

    def _count_ahead(self) -> int:
        return 0 if self._carries else get_module(self.model).load().budget.ahead

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]] | None = None,
        *,
        nlp: Language | None = None,
        source: str | list[str] | None = None,
    ) -> None:
        """Read the weights; if they have been read, or loaded with a pipeline, undo all training since.

        get_examples (Callable | None): Not used.
        nlp (Language | None): The pipeline.
        source (str | list[str] | None): Read these weights instead. Set it under
            [initialize.components.elmo_embedder] for a path that is only needed before training.
        """
        self._updates.forget()
        if nlp is not None:
            self.attach(nlp)
        if source is not None:
            get_module(self.model).set_weights(read_weights(source))
        else:
            get_module(self.model).reset()
        self._prepare()

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Run a batch once for all listeners, and train on their gradients later, when these have come in.

        examples (Iterable[Example]): The batch.
        drop (float): Not used; see the setting `dropout`.
        sgd (Optimizer | None): Takes a step.
        losses (dict[str, float] | None): Losses by component, to be added to.
        RETURNS (dict[str, float]): The losses. The embedder's is the sum of squares of the gradients; 0 if nothing
            of it is trained.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ElmoEmbedder.update")
        self._prepare()
        self._updates.apply_pending()
        module, readers = get_module(self.model), self.readers
        docs = [example.predicted for example in examples]
        note_run(docs, self)
        self._inspect(docs)
        # spaCy may not have linked all listeners. A frozen biLM runs later for those that turn up.
        if docs and (readers or not module.training_settings.frozen):

            def observe(squares: float) -> None:
                losses[self.name] += squares

            elmo = self.load()
            names = self.get_read_layers(elmo.n_layers) if readers else elmo.layer_names
            batch = SharedBatch(docs, begin_update(module, docs, names, self.model.ops), observe=observe)
            self._updates.begin(batch)
            for upstream in readers:
                upstream.batch = batch
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Take an optimizer step with the gradients that listeners have sent back since the last one.

        sgd (Optimizer): The optimizer.
        """
        self._updates.finish_update(sgd)

    def get_loss(self, examples: Iterable[Example], scores: object) -> tuple[float, list[object]]:
        """Return no loss: the embedder has none.

        examples (Iterable[Example]): Not used.
        scores (object): Not used.
        RETURNS (tuple[float, list]): 0.0, and no gradients.
        """
        return 0.0, []

    def add_label(self, label: str) -> int:
        """Do nothing: the embedder has no labels.

        label (str): Not used.
        RETURNS (int): 0, as spaCy defines it for a label that was not added.
        """
        return 0

    def use_params(self, params: dict[tuple[int, str], FloatsXd]) -> Iterator[None]:
        """Use other values of the parameters until the generator ends; called by `nlp.use_params`.

        params (dict[tuple[int, str], FloatsXd]): The values, an optimizer's averages for instance.
        YIELDS (None): Once, with these values in place.
        """
        self._updates.apply_pending()
        yield from super().use_params(params)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        self._updates.apply_pending()
        # Its key is valid in this process only.
        self._layer_plan = None
        return super().__reduce_ex__(protocol)

    @property
    def _carries(self) -> bool:
        return get_module(self.model).settings.initial_state == "carry"

    def _batches(self, stream: Iterable[Doc], batch_size: int) -> Iterator[list[Doc]]:
        if self._carries:
            # With carried state, batch boundaries affect the vectors: every batch has exactly `batch_size` Docs.
            return cast(Iterator[list[Doc]], util.minibatch(stream, size=batch_size))
        return windows(stream, size=estimate_rows, budget=lambda: self.load().budget.tokens, most=batch_size)

    def _prepare(self) -> LayerPlan:
        """Get the plan; make a new one if listeners, weights, settings or the pipeline have changed. An error if
        another component writes doc.tensor as well, or a layer does not exist."""
        plan = self._layer_plan
        if plan is None or plan.key != self._plan_key():
            plan = self._layer_plan = self._make_plan()
        return plan

    def _plan_key(self) -> tuple[object, ...]:
        settings = self.name, self.pooling_layer, repr(self.layers), self.vectors
        listeners = links.n_changes, len(self._readers.upstreams)
        return self._pipeline.snapshot(), listeners, get_module(self.model).n_layers, settings

    def _make_plan(self) -> LayerPlan:
        install_extensions()
        if self._pipeline.nlp is not None:
            self.link(self._pipeline.nlp)
        self._tensor.prepare(self._pipeline, name=self.name)
        n_layers = self.load().n_layers
        plan = make_layer_plan(
            self.layers,
            pooling_layer=self.pooling_layer,
            read=self.get_read_layers(n_layers),
            tensor=self._tensor,
            vectors=self.vectors,
            n_layers=n_layers,
        )
        return replace(plan, key=self._plan_key())

    def _get_kept(self, plan: LayerPlan, docs: Sequence[Doc]) -> list[str]:
        beside = plan.keep_beside != plan.keep and self._tensor.find_foreign(docs)
        return plan.keep_beside if beside else plan.keep


def _fail(error: Exception) -> NoReturn:
    raise error
