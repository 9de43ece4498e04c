#!/usr/bin/env python3
"""Trains the demo network, a narrow ResNet-18 for handwritten digits, and writes models/demo."""

import os
import sys
from pathlib import Path

import click
import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

from classifier.config import Settings
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, Tensor, to_tensor
from classifier.model.lean_mxnet import mx
from tools.command import Command
from tools.model import resnet
from tools.model.digits import NAMES, Digit, held_out_digits, training_digits
from tools.model.draft import NewBundle
from tools.model.network import save_arrays
from tools.project import ROOT

SEED = 2026
EPOCHS = 30
BATCH = 32
ARCHITECTURE = resnet.Architecture(widths=(10, 20, 40, 80), classes=len(NAMES))
RECIPE = Preprocessing(
    size=64, resize=64, fit="squash", scale=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3
)
LIMITS = Limits(Settings.max_image_bytes, Settings.max_image_pixels)


def tensors(digits: list[Digit]) -> Tensor:
    """(n, 3, size, size) float32: the very pixels that the function would see."""
    return np.stack([to_tensor(digit.data, RECIPE, LIMITS) for digit in digits])


def train() -> mx.mod.Module:
    """A bound network that has seen every training digit ``EPOCHS`` times."""
    random = np.random.default_rng(SEED)
    arguments, auxiliary = resnet.draw(ARCHITECTURE, SEED)
    module = mx.mod.Module(resnet.symbol(ARCHITECTURE, softmax=True))
    shape = (BATCH, 3, RECIPE.size, RECIPE.size)
    module.bind([("data", shape)], [("softmax_label", (BATCH,))])
    module.set_params(
        {name: mx.nd.array(array) for name, array in arguments.items()},
        {name: mx.nd.array(array) for name, array in auxiliary.items()},
    )
    steps = EPOCHS * (len(training_digits(random)) // BATCH)
    schedule = mx.lr_scheduler.CosineScheduler(steps, base_lr=0.05, warmup_steps=steps // 20)
    module.init_optimizer(
        optimizer="sgd",
        optimizer_params={"momentum": 0.9, "wd": 1e-4, "lr_scheduler": schedule},
    )
    with click.progressbar(range(EPOCHS), label="training", file=sys.stderr) as epochs:
        for _ in epochs:
            digits = training_digits(random)
            random.shuffle(digits)
            for start in range(0, len(digits) - BATCH + 1, BATCH):
                some = digits[start : start + BATCH]
                answers = mx.nd.array([digit.value for digit in some])
                module.forward_backward(mx.io.DataBatch([mx.nd.array(tensors(some))], [answers]))
                module.update()
    return module


def draft(module: mx.mod.Module, accuracy: float | None = None) -> NewBundle:
    """The bundle of the trained network."""
    arguments, auxiliary = module.get_params()
    held_out = held_out_digits()
    return NewBundle(
        name="demo",
        version="1",
        preprocessing=RECIPE,
        probabilities=False,
        source="trained by scripts/train_demo.py on the handwritten digits of scikit-learn",
        symbol=resnet.symbol(ARCHITECTURE).tojson().encode(),
        params=save_arrays(
            {f"arg:{name}": array for name, array in arguments.items()}
            | {f"aux:{name}": array for name, array in auxiliary.items()}
        ),
        labels="".join(f"{value}\t{name}\n" for value, name in enumerate(NAMES)).encode(),
        notes={}
        if accuracy is None
        else {"accuracy": {"held_out_digits": len(held_out), "top1": accuracy}},
    )


@click.command("scripts/train_demo.py", cls=Command)
@click.option(
    "--to", type=click.Path(path_type=Path), default=ROOT / "models" / "demo", show_default=True
)
def main(to: Path) -> None:
    """Train the demo network, some minutes on two cores, and write its bundle into a new folder.

    The seed makes runs alike, though not to the bit: the order of sums is up to the threads.
    """
    module = train()
    held_out = held_out_digits()
    model = draft(module).model()
    answers = np.array([model.classify([tensor]).argmax() for tensor in tensors(held_out)])
    accuracy = float(np.mean(answers == [digit.value for digit in held_out]))
    draft(module, round(accuracy, 4)).write(to)
    click.echo(f"{to}: {accuracy:.2%} of {len(held_out)} held-out digits")
