"""ResNet-18 with weights drawn from a seed: right size, right speed, meaningless labels."""

from classifier.image.preprocessing import Preprocessing
from classifier.model.labels import IMAGENET_LABELS
from tools.model import resnet
from tools.model.draft import NewBundle
from tools.model.network import params_file

# What torchvision and Gluon trained their ResNets on: RGB of 0..1, less ImageNet's mean, over its
# standard deviation; short side to 256, then the centre.
IMAGENET_PREPROCESSING = Preprocessing(
    size=224,
    resize=256,
    fit="crop",
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


def synthetic(seed: int) -> NewBundle:
    """The bundle, the same to the byte for the same ``seed``, 0 or above."""
    architecture = resnet.Architecture()
    return NewBundle(
        name="resnet-18-synthetic",
        version=f"seed-{seed}",
        preprocessing=IMAGENET_PREPROCESSING,
        probabilities=False,
        source=f"weights drawn from seed {seed}: the labels mean nothing",
        symbol=resnet.symbol(architecture).tojson().encode(),
        params=params_file(*resnet.draw(architecture, seed)),
        labels=IMAGENET_LABELS.read_bytes(),
    )
