"""The private skorch net: one training step, the learning rate of every step, rounds with a monitor."""

import copy
import logging
import math

import numpy as np
import torch
from skorch import NeuralNet

from archetypal_triplet.triplets._losses import compute_effective_rank, compute_spread
from archetypal_triplet.triplets._progress import Progress

logger = logging.getLogger("archetypal_triplet.triplets")

# steps between two looks at the embedding, at the validation triplets and at the checkpoint
STEPS_PER_ROUND = 20


class StopTraining(Exception):
    """A callback asked for the end of training."""


def compute_one_cycle(step, n_steps, lr):
    """Learning rate and first Adam coefficient of a step of the one-cycle schedule.

    Both move along half cosines: the rate from lr / 25 up to lr over the first 30 % of the steps, then down
    to lr / 250,000, the coefficient from 0.95 to 0.85 and back (Smith and Topin 2019, section 3; torch's
    ``OneCycleLR`` with its defaults).

    Parameters
    ----------
    step : int
        From 0.
    n_steps : int
        Total number of steps.
    lr : float
        The highest rate.

    Returns
    -------
    rate, beta1 : float
        For this step.
    """
    peak = max(0.3 * n_steps - 1, 0.0)
    if step <= peak and peak > 0:
        share, rates, betas = step / peak, (lr / 25, lr), (0.95, 0.85)
    else:
        share = (step - peak) / max(n_steps - 1 - peak, 1e-12)
        rates, betas = (lr, lr / 250_000), (0.85, 0.95)
    weight = (1 + math.cos(math.pi * min(share, 1.0))) / 2
    return rates[1] + (rates[0] - rates[1]) * weight, betas[1] + (betas[0] - betas[1]) * weight


class Perturbation:
    """Augmentation and input noise of training batches.

    Parameters
    ----------
    input_noise : float
        Standard deviation of the noise, in column standard deviations.
    varies : ndarray of bool
        Which columns (or channels) vary; the others stay without noise.
    augment : callable or None
        ``augment(inputs, generator) -> inputs`` of the same shape.
    device : torch.device
        Where batches are.
    seed : int
        Seed of the generator.
    """

    def __init__(self, input_noise, varies, augment, device, seed):
        self.input_noise = float(input_noise)
        self.augment = augment
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.scale = torch.from_numpy(np.asarray(varies, dtype=np.float32) * self.input_noise).to(device)

    def __call__(self, inputs):
        """Return a changed copy of `inputs`."""
        out = inputs
        if self.augment is not None:
            out = self.augment(out, self.generator)
            if out.shape != inputs.shape:
                raise ValueError(
                    f"augment={self.augment!r} turned a batch of shape {tuple(inputs.shape)} into "
                    f"{tuple(out.shape)}; it must keep the shape."
                )
        if self.input_noise:
            noise = torch.empty_like(out).normal_(generator=self.generator)
            out = torch.addcmul(out, noise, self.scale.reshape(-1, *[1] * (out.dim() - 2)))
        return out


class TripletNet(NeuralNet):
    """A skorch net that trains on :class:`LabelBatches` in rounds.

    The estimator holds it as `net_`; it is not meant to be built by hand. It is pickled on the host.
    """

    @property
    def _default_callbacks(self):
        return []

    def get_split_datasets(self, X, y=None, **fit_params):
        """The batches are the data set; validation is the monitor's."""
        return X, None

    def get_iterator(self, dataset, training=False):
        """The batches iterate themselves, sliced out of one tensor."""
        return dataset

    def notify(self, method_name, **cb_kwargs):
        """Tell the callbacks; skorch's way to stop, a KeyboardInterrupt, is told apart from a person's."""
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as stop:
                raise StopTraining from stop

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Go to training mode: once a round, because a module sets it in each of its parts."""
        super().on_epoch_begin(net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs)
        self._set_training(True)

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        """Set the learning rate of the step."""
        super().on_batch_begin(net, batch=batch, training=training, **kwargs)
        loop = self.loop_
        if loop.constant_rate:
            rate, beta1 = self.lr / 2, 0.9
        else:
            rate, beta1 = compute_one_cycle(loop.batches.step - 1, loop.batches.max_steps, self.lr)
        for group in self.optimizer_.param_groups:
            group["lr"] = rate
            group["betas"] = (beta1, group["betas"][1])

    def train_step_single(self, batch, **fit_params):
        """Forward on perturbed inputs, loss in float32, backward."""
        loop = self.loop_
        kind, reduced = loop.batches.device.type, loop.precision == "bf16"
        if torch.is_autocast_enabled(kind):  # by the caller: `precision` decides, and the loss is in float32
            with torch.autocast(kind, enabled=False):
                return self.train_step_single(batch, **fit_params)
        if not (self.module_.training and self.criterion_.training):
            self._set_training(True)
        if reduced:
            # within an autocast of the caller a cache of weights would outlive the step
            with torch.autocast(kind, torch.bfloat16, cache_enabled=False):
                embedding = self.module_(loop.perturb(batch.inputs))
        else:
            embedding = self.module_(loop.perturb(batch.inputs))
        loss = self.get_loss(embedding, batch.labels, X=batch, training=True)
        loss.backward()
        return {"loss": loss, "y_pred": embedding}

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Total loss of a batch; its parts go to the history."""
        total, main, active = self.criterion_(
            y_pred, y_true, inputs=X.inputs, groups=X.groups, generator=self.loop_.perturb.generator
        )
        self.loop_.see(y_pred, main, active)
        return total

    def run(self, loop):
        """Train until `loop` is done.

        Parameters
        ----------
        loop : TrainingLoop
            Batches, perturbation, records, early stopping, checkpoint.
        """
        self.loop_ = loop
        done, total = loop.batches.step, loop.batches.max_steps
        try:
            with Progress(total, verbose=loop.verbose, what="training", unit="step", done=done) as progress:
                self.notify("on_train_begin", X=loop.batches, y=None)
                while not loop.is_done():
                    self.fit_loop(loop.batches, epochs=1)
                    loop.end_round(self)
                    progress.advance(loop.batches.step - done, **loop.shown())
                    done = loop.batches.step
        except StopTraining:
            loop.close_round(self)
        finally:
            del self.loop_
        loop.restore_best(self)
        self.module_.eval()
        self.module_.zero_grad(set_to_none=True)
        self.notify("on_train_end", X=loop.batches, y=None)

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Record the round before the callbacks look at it."""
        self.loop_.close_round(self)

    def __getstate__(self):
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.__dict__["device"] = "cpu"
        for name in ("module_", "criterion_"):
            if name in twin.__dict__:
                twin.__dict__[name] = copy.deepcopy(twin.__dict__[name]).cpu()
        # a later fit makes its own optimizer, and its state is twice the weights
        twin.__dict__.pop("optimizer_", None)
        return NeuralNet.__getstate__(twin)


class TrainingLoop:
    """State of one training run outside the weights: records, early stopping, checkpoint.

    Parameters
    ----------
    batches : LabelBatches
        The batches.
    perturb : Perturbation
        What happens to them.
    precision : {"fp32", "bf16"}
        Precision of the forward pass.
    validation : callable or None
        ``validation(module) -> float``, larger is better.
    patience : int
        Rounds without a better validation score before training stops.
    save : callable or None
        ``save(net, loop)``, called after every round.
    first_step : int
        Steps of earlier runs, for the records.
    constant_rate : bool
        Train with half of the highest learning rate throughout, for an end that nobody knows.
    verbose : int
        Rounds are logged at INFO above 0, else at DEBUG; above 1 there is a progress bar.
    """

    def __init__(
        self,
        batches,
        perturb,
        *,
        precision,
        validation,
        patience,
        save=None,
        first_step=0,
        constant_rate=False,
        verbose=0,
    ):
        self.batches = batches
        self.perturb = perturb
        self.precision = precision
        self.validation = validation
        self.patience = patience
        self.save = save
        self.first_step = first_step
        self.constant_rate = constant_rate
        self.verbose = verbose
        self.level = logging.INFO if verbose else logging.DEBUG
        self.history = []
        self.best_score = -math.inf
        self.best_weights = None
        self.n_stale = 0
        self._seen = []
        self._last = None

    def see(self, embedding, main, active):
        """Remember the parts of a step's loss."""
        self._seen.append((main, active))
        self._last = embedding.detach()

    def is_done(self):
        """Whether no further step is due."""
        return self.batches.step >= self.batches.max_steps or (
            self.validation is not None and self.n_stale >= self.patience
        )

    def close_round(self, net):
        """Add a record for the steps since the last one."""
        if not self._seen:
            return
        main = torch.stack([m for m, _ in self._seen]).mean()
        active = torch.stack([a for _, a in self._seen]).float().mean()
        self._check_not_diverged(main, net.lr)
        record = {
            "step": self.first_step + self.batches.step,
            "loss": float(main),
            "active": float(active),
            "spread": compute_spread(self._last),
            "effective_rank": compute_effective_rank(self._last),
            "lr": net.optimizer_.param_groups[0]["lr"],
        }
        if self.validation is not None:
            record["valid_score"] = self.validation(net.module_)
            self._judge(net, record["valid_score"])
        self._seen, self._last = [], None
        self.history.append(record)
        net.history.record("spread", record["spread"])
        logger.log(self.level, "step %(step)d: loss %(loss).4f, spread %(spread).3f", record)

    def _check_not_diverged(self, loss, lr):
        if not bool(torch.isfinite(loss) & torch.isfinite(self._last).all()):
            raise ValueError(
                f"Training has diverged at step {self.first_step + self.batches.step}: the loss or the "
                f"embedding holds NaN or infinities. Lower lr={lr} (0.003 is the default); with a criterion "
                "or module of your own, look whether its values are finite."
            )

    def _judge(self, net, score):
        if score > self.best_score:
            self.best_score, self.n_stale = score, 0
            self.best_weights = {k: v.detach().clone() for k, v in net.module_.state_dict().items()}
        else:
            self.n_stale += 1

    def shown(self):
        """What a progress bar shows of the last round."""
        keys = ("loss", "active", "spread", "valid_score")
        return {key: self.history[-1][key] for key in keys if key in self.history[-1]}

    def end_round(self, net):
        """Write the checkpoint."""
        if self.save is not None:
            self.save(net, self)

    def restore_best(self, net):
        """Go back to the weights of the best validation score, if there was any validation."""
        if self.best_weights is not None:
            net.module_.load_state_dict(self.best_weights)
