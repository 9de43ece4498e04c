"""How large a file may be, and how much time and memory its import may take."""

import resource

MIB = 1 << 20
GIB = 1 << 30

# Of the file and its external data together. VGG-19 takes 548 MiB.
MAX_FILE_BYTES = GIB
# ConvNeXt-Large has about 1,000 nodes, DenseNet-264 about 1,500.
MAX_NODES = 20_000
MAX_TENSORS = 40_000
# A classifier's activations: an image of 4096 x 4096 with 64 channels of float32.
MAX_VALUE_BYTES = 4 * GIB
# How many images the exported graph may take at once.
MAX_BATCH = 64
# An import of VGG-19 takes about a minute of one processor.
MAX_SECONDS = 900


def limit_this_process(model_bytes: int) -> None:
    """Bound the memory and the processor time of this process, for a model of ``model_bytes``.

    What exceeds the memory ends in MemoryError, or in the end of the process, according to who
    allocates. RLIMIT_DATA counts what can be written to; RLIMIT_AS would count what is only mapped.
    May be called again, when more is known of the model.
    """
    most = _memory(MAX_FILE_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (_memory(model_bytes), most))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _memory(model_bytes: int) -> int:
    """Both engines hold the weights several times over, and 3 GiB are for what they compute."""
    return 3 * GIB + 12 * model_bytes
