"""An ONNX file becomes a bundle, in a process of its own whose time and memory are bounded."""

import hashlib
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classifier.errors import ClassifierError
from classifier.image.tensor import Tensor
from tools.command import hold_interrupts
from tools.errors import ToolError
from tools.model.files import read_file
from tools.model.images import IMAGE_SUFFIXES
from tools.model.new_bundle import NewBundle
from tools.model.onnx.limits import MAX_SECONDS, limit_this_process
from tools.model.onnx.preprocessing import Choices
from tools.model.output import resolve_output

if TYPE_CHECKING:
    from onnx import ModelProto

# Real images that both engines classify; more take time and prove no more.
_MOST_IMAGES = 8
_TOO_LARGE = "a classifier does; simplify the network"
_Outcome = tuple[NewBundle, tuple[str, ...]] | Exception


@dataclass(frozen=True)
class _Job:
    """What to import. output: see resolve_output; images: files; name: of the model."""

    file: Path
    labels: Path
    choices: Choices
    output: str | None
    name: str
    images: tuple[Path, ...]


def import_onnx(
    file: Path,
    labels: Path,
    choices: Choices,
    *,
    output: str | None = None,
    images: Sequence[Path] = (),
    report: Callable[[str], None] = click.echo,
) -> NewBundle:
    """The bundle of the ONNX network in ``file``, with the labels in ``labels``.

    It answers as ONNX Runtime does: that is tried with random images, and with ``images``. It has
    the file's name. output: see resolve_output. report: is told what was assumed, and how the two
    compare.

    Raises ToolError, which opens with the file: it is broken or hostile, some of its operators are
    not imported (all are listed), or the two do not answer alike. BundleError: the labels do not
    fit.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("._-") or "imported"
    outcome = _run_apart(_Job(file, labels, choices, output, name, tuple(images)))
    if isinstance(outcome, Exception):
        raise outcome
    bundle, remarks = outcome
    for remark in remarks:
        report(remark)
    return bundle


def import_with_options(
    file: Path, labels: Path, *, output: str | None, images: Path | None, **choices: Any
) -> NewBundle:
    """``import_onnx`` with the values of ``onnx_options``."""
    return import_onnx(file, labels, Choices(**choices), output=output, images=_files(images))


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ToolError(f"{folder}: no such folder")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ToolError(f"{folder}: no JPEG, PNG or WebP images in it")
    return files[:_MOST_IMAGES]


def _run_apart(job: _Job) -> _Outcome:
    """What ``_work`` sends, of a process that is ended when it takes too long."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, job), daemon=True)
    # Python's tracker of shared memory unblocks the signal when it starts: first, then.
    resource_tracker.ensure_running()
    with hold_interrupts():  # the process reads what it is to do, whole
        # It inherits the mask: Ctrl-C is for the command alone, which ends this process.
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    sender.close()
    try:
        if not receiver.poll(MAX_SECONDS):
            return ToolError(
                f"{job.file}: takes more than {MAX_SECONDS} seconds, longer than {_TOO_LARGE}"
            )
        outcome: _Outcome = receiver.recv()
        return outcome
    except EOFError:
        return ToolError(f"{job.file}: takes more memory or time than {_TOO_LARGE}")
    finally:
        process.kill()
        process.join()
        receiver.close()


def _work(sender: Connection, job: _Job) -> None:
    """Import the file and send the bundle with remarks, or the error."""
    from tools.model.onnx.check import read_model  # noqa: PLC0415

    try:
        limit_this_process(job.file.stat().st_size if job.file.is_file() else 0)
        model = read_model(job.file)
        limit_this_process(model.ByteSize())
        outcome: _Outcome = _import(job, model)
    except ToolError as error:
        outcome = ToolError(f"{job.file}: {error}")
    except ClassifierError as error:
        outcome = error
    except MemoryError:
        outcome = ToolError(f"{job.file}: takes more memory than {_TOO_LARGE}")
    except Exception as error:  # noqa: BLE001  (whatever a file provokes ends in one line)
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        outcome = ToolError(f"{job.file}: cannot be imported ({reason}); please report it")
    sender.send(outcome)


def _import(job: _Job, model: "ModelProto") -> tuple[NewBundle, tuple[str, ...]]:
    """The bundle of ``model``, proven, and remarks. Raises as ``import_onnx`` does."""
    # Here, so that the command itself does not load ONNX Runtime.
    from tools.model.layers import describe_layers, with_layers  # noqa: PLC0415
    from tools.model.mxnet_files import params_file  # noqa: PLC0415
    from tools.model.onnx.convert import convert  # noqa: PLC0415
    from tools.model.onnx.fusion import fuse  # noqa: PLC0415
    from tools.model.onnx.image_input import fix_input  # noqa: PLC0415
    from tools.model.onnx.preprocessing import resolve  # noqa: PLC0415
    from tools.model.onnx.proof import Imported, prove, random_images  # noqa: PLC0415
    from tools.model.onnx.simplify import simplify  # noqa: PLC0415
    from tools.model.onnx.widths import widen  # noqa: PLC0415

    image = fix_input(model, job.choices.open_size)
    preprocessing, remarks = resolve(job.choices, image)
    graph = widen(fuse(simplify(model)))
    network = convert(graph, channels_last=image.channels_last)
    if not network.parameters:
        raise ToolError("the network has no weights; export one that was trained")
    arguments, auxiliary = (
        {name: array for (kind, name), array in network.parameters.items() if kind == each}
        for each in ("arg", "aux")
    )
    output = resolve_output(job.output, network.activation)
    digest = hashlib.sha256(job.file.read_bytes()).hexdigest()
    bundle = NewBundle(
        name=job.name,
        preprocessing=preprocessing,
        probabilities=output.probabilities,
        activation=output.activation,
        source=f"imported from {job.file.name}, SHA-256 {digest}",
        symbol=network.symbol.tojson().encode(),
        params=params_file(arguments, auxiliary),
        labels=read_file(job.labels),
        origins={"symbol": str(job.file), "params": str(job.file), "labels": str(job.labels)},
    )
    bundle = with_layers(bundle)
    tensors = [*random_images(preprocessing), *_tensors(job.images, preprocessing)]
    difference = prove(Imported(model, image, graph, network), bundle, tensors)
    verdict = f"{len(tensors)} images, as ONNX Runtime: probabilities within {difference:.1g}"
    layers = describe_layers(bundle.model().sizes)
    found = (f"{name}: {text}" for name, text in layers.items())
    return bundle, (*remarks, *found, verdict)


def _tensors(images: Sequence[Path], preprocessing: object) -> list[Tensor]:
    from tools.model.images import ImageFile  # noqa: PLC0415

    return [ImageFile(path, None).tensor(preprocessing) for path in images]  # type: ignore[arg-type]
