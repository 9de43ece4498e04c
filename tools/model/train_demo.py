"""Trains the demo network, a narrow ResNet-18 for handwritten digits, and writes models/demo.

``--images DIR`` writes the digits that it was not trained with, to evaluate it.

MXNet runs one thread unless OMP_NUM_THREADS says otherwise: ``OMP_NUM_THREADS=2
scripts/train_demo.py`` is faster.
"""

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from classifier.config import Settings
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, Tensor, to_tensor
from classifier.model.lean_mxnet import mx
from tools.command import Command
from tools.model.architectures.parameters import draw
from tools.model.architectures.resnet import ResNet
from tools.model.digits import NAMES, Digit, held_out_digits, training_digits
from tools.model.mxnet_files import save_arrays
from tools.model.new_bundle import NewBundle
from tools.model.new_folder import refuse_existing
from tools.project import ROOT

SEED = 2026
EPOCHS = 30
BATCH = 32
ARCHITECTURE = ResNet(widths=(10, 20, 40, 80), classes=len(NAMES))
PREPROCESSING = Preprocessing(
    size=64, resize=64, fit="squash", scale=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3
)
LIMITS = Limits(Settings.max_image_bytes, Settings.max_image_pixels)


def tensors(digits: list[Digit]) -> Tensor:
    """(n, 3, size, size) float32: the pixels that the function would see."""
    return np.stack([to_tensor(digit.data, PREPROCESSING, LIMITS) for digit in digits])


def train() -> Any:
    """An ``mx.mod.Module`` that was trained with every training digit ``EPOCHS`` times."""
    random = np.random.default_rng(SEED)
    arguments, auxiliary = draw(ARCHITECTURE, SEED)
    module = mx.mod.Module(ARCHITECTURE.symbol(softmax=True))
    shape = (BATCH, 3, PREPROCESSING.size, PREPROCESSING.size)
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
            order = random.permutation(len(digits))
            for start in range(0, len(digits) - BATCH + 1, BATCH):
                some = [digits[index] for index in order[start : start + BATCH]]
                answers = mx.nd.array([digit.value for digit in some])
                module.forward_backward(mx.io.DataBatch([mx.nd.array(tensors(some))], [answers]))
                module.update()
    return module


def bundle(params: bytes, accuracy: float | None = None) -> NewBundle:
    """The bundle of the trained network; accuracy: top-1 on the held-out digits."""
    notes = {"accuracy": {"held_out_digits": len(held_out_digits()), "top1": accuracy}}
    return NewBundle.of(
        ARCHITECTURE,
        name="demo",
        version="1",
        preprocessing=PREPROCESSING,
        description="handwritten digits 0 to 9",
        licence="Apache-2.0",
        source="trained by scripts/train_demo.py on the handwritten digits of scikit-learn",
        params=params,
        labels="".join(f"{value}\t{name}\n" for value, name in enumerate(NAMES)).encode(),
        notes={} if accuracy is None else notes,
    )


def write_digits(folder: Path) -> str:
    """Write the held-out digits into ``folder``; returns what was written, in a sentence."""
    digits = held_out_digits()
    for number, digit in enumerate(digits):
        path = folder / str(digit.value) / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(digit.data)
    kind = "handwritten digits that the demo network was not trained with"
    return f"{folder} holds {len(digits)} {kind}"


@click.command("scripts/train_demo.py", cls=Command)
@click.option(
    "--to", type=click.Path(path_type=Path), default=ROOT / "models" / "demo", show_default=True
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Instead: write the held-out digits into this new folder, DIR/<class id>/*.png.",
)
def main(to: Path, images: Path | None) -> None:
    """Train the demo network, some minutes on two cores, and write its bundle into a new folder.

    Two runs with the same seed are alike, not equal: the order of sums depends on the threads.
    """
    if images:
        refuse_existing(images)
        click.echo(write_digits(images))
        return
    arguments, auxiliary = train().get_params()
    params = save_arrays(
        {f"arg:{name}": array for name, array in arguments.items()}
        | {f"aux:{name}": array for name, array in auxiliary.items()}
    )
    held_out = held_out_digits()
    model = bundle(params).model()
    best = np.array([model.classify([tensor]).argmax() for tensor in tensors(held_out)])
    accuracy = float(np.mean(best == [digit.value for digit in held_out]))
    bundle(params, round(accuracy, 4)).write(to)
    click.echo(f"{to}: {accuracy:.2%} of {len(held_out)} held-out digits")
