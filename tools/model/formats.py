"""The files of a publisher become a bundle: PyTorch's, Gluon's and MXNet's formats."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace

from classifier.model.labels import IMAGENET_LABELS
from tools.errors import ToolError
from tools.model.architectures.parameters import from_gluon
from tools.model.architectures.resnet import ResNet
from tools.model.catalogue import DESCRIPTION, Network, Source
from tools.model.checkpoint import checkpoint_bundle
from tools.model.download import MAX_BYTES
from tools.model.layers import with_layers
from tools.model.mxnet_files import last_activation, params_file, read_arrays
from tools.model.new_bundle import NewBundle

# The ResNets that Gluon publishes in this form, by their blocks. Its ResNet-50 is another network:
# its stride sits in the first convolution of a block.
_GLUON = {"resnet-18": ResNet((2, 2, 2, 2)), "resnet-34": ResNet((3, 4, 6, 3))}


def to_bundle(network: Network, source: Source, files: Sequence[bytes]) -> NewBundle:
    """The bundle of ``network`` in ``files``, the contents of those of ``source``, in order.

    Raises ToolError: a checksum is wrong, or a file is not what it should be.
    """
    readers = {"torch": _torch_bundle, "gluon": _gluon_bundle, "mxnet": _mxnet_bundle}
    bundle = readers[source.format](network, source, files)
    if bundle.name != network.name:
        raise ToolError(f"it is {bundle.name}, not {network.name}")
    origin = f"{source.title}: {source.place}/{source.files[0]}"
    return replace(
        bundle,
        preprocessing=source.preprocessing,
        description=DESCRIPTION,
        licence=source.licence,
        source=f"{origin} ({source.check or 'no checksum was published'})",
    )


def _torch_bundle(_network: Network, source: Source, files: Sequence[bytes]) -> NewBundle:
    digest = hashlib.sha256(files[0]).hexdigest()
    if not digest.startswith(source.sha256):
        digits = len(source.sha256)
        verb = "is" if digits == len(digest) else "begins"
        raise ToolError(
            f"wrong checksum: its SHA-256 {verb} {digest[:digits]}, not {source.sha256}"
        )
    return checkpoint_bundle(
        files[0],
        "the checkpoint",
        labels=IMAGENET_LABELS.read_bytes(),
        labels_origin=str(IMAGENET_LABELS),
        source=source.title,
    )


def _gluon_bundle(network: Network, source: Source, files: Sequence[bytes]) -> NewBundle:
    entry = source.entry
    try:
        with zipfile.ZipFile(io.BytesIO(files[0])) as archive, archive.open(entry) as file:
            params = file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ToolError(f"not the zip that it should be: {error}") from error
    # SHA-1 is what was published; it still tells a wrong or damaged file.
    digest = hashlib.sha1(params, usedforsecurity=False).hexdigest()
    if digest != source.sha1:
        raise ToolError(f"wrong checksum: SHA-1 of {entry} is {digest}, not {source.sha1}")
    architecture = _GLUON[network.name]
    return NewBundle.of(
        architecture,
        source=source.title,
        params=params_file(*from_gluon(read_arrays(params), architecture)),
        labels=IMAGENET_LABELS.read_bytes(),
    )


def _mxnet_bundle(network: Network, source: Source, files: Sequence[bytes]) -> NewBundle:
    symbol, params = files
    bundle = NewBundle(
        name=network.name,
        preprocessing=source.preprocessing,
        probabilities=bool(last_activation(symbol)),
        source=source.title,
        symbol=symbol,
        params=params,
        labels=IMAGENET_LABELS.read_bytes(),
    )
    return with_layers(bundle)
