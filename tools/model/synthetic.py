"""ResNet-18 with weights drawn from a seed: right size, right speed, meaningless labels."""

from classifier.model.labels import IMAGENET_LABELS
from tools.model.architectures.parameters import draw
from tools.model.architectures.resnet import ResNet
from tools.model.mxnet_files import params_file
from tools.model.new_bundle import NewBundle


def synthetic(seed: int) -> NewBundle:
    """The bundle, the same to the byte for the same ``seed``, 0 or above."""
    architecture = ResNet()
    return NewBundle.of(
        architecture,
        name="resnet-18-synthetic",
        version=f"seed-{seed}",
        description="nothing: its weights are random",
        licence="Apache-2.0",
        source=f"weights drawn from seed {seed}: the labels mean nothing",
        params=params_file(*draw(architecture, seed)),
        labels=IMAGENET_LABELS.read_bytes(),
    )
