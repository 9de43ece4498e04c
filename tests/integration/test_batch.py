"""The state machine over a thousand objects, with the function's own code.

``fake_step_functions.py`` runs the definition. CloudFormation's linter checks it as it is deployed.
"""

import contextlib
import importlib
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import colors
import images
import numpy as np
import pytest
from cfnlint import api as cfnlint
from fake_step_functions import FakeStepFunctions, FunctionFailed, Throttled, substitute
from PIL import Image

from classifier import batch
from classifier.model.labels import LabelOptions
from tools import outputs
from tools.batch import execution, local, results
from tools.batch.cli import cli
from tools.batch.deployment import Deployment
from tools.local.ports import free_port
from tools.local.process import run_local_stack
from tools.local.s3 import CREDENTIALS, LocalS3

DEFINITION = Path(__file__).parents[2] / "statemachine" / "batch.asl.yaml"
CONCURRENCY, LIMIT = 8, 10
SUBSTITUTIONS = {
    "Partition": "aws",
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:batch",
    "ResultsBucket": "results",
    "MaxConcurrency": str(CONCURRENCY),
}
COLORS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}
BROKEN = images.encode(images.plain((1, 2, 3)), "PNG")[:40]

Event = dict[str, Any]


class Context:
    aws_request_id = "batch"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@pytest.fixture
def definition() -> dict[str, Any]:
    read: dict[str, Any] = substitute(DEFINITION.read_text(), **SUBSTITUTIONS)
    return read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colors.write_bundle(tmp_path_factory.mktemp("bundle") / "colors")


@pytest.fixture
def app(s3_server: LocalS3, s3: Any, folder: Path) -> Iterator[ModuleType]:
    """The function, started; the buckets are there and empty, but for the model."""
    for bucket in ("models", "images", "results", "secret"):
        s3.create_bucket(Bucket=bucket)
    for path in folder.iterdir():
        s3.put_object(Bucket="models", Key=f"colors/{path.name}", Body=path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_URI", "s3://models/colors")
        patch.setenv("S3_READ_BUCKETS", "images")
        sys.modules.pop("app", None)
        yield importlib.import_module("app")
        sys.modules.pop("app", None)


class Machine:
    """A deployment of the state machine whose function is ``function``."""

    def __init__(self, step_functions: FakeStepFunctions, url: str):
        self.step_functions = step_functions
        clients = {name: boto3.client(name, endpoint_url=url) for name in ("stepfunctions", "s3")}
        arn = clients["stepfunctions"].create_state_machine(
            name="batch",
            definition=json.dumps(self.step_functions.definition),
            roleArn="arn:aws:iam::123456789012:role/batch",
        )["stateMachineArn"]
        self.deployment = Deployment(arn, "results", clients["stepfunctions"], clients["s3"])

    def run(self, **source: Any) -> tuple[str, execution.State]:
        """Run an execution to its end; its name, and how it ended."""
        return self.follow(execution.start(self.deployment, source))

    def follow(self, arn: str) -> tuple[str, execution.State]:
        *_, last = execution.follow(self.deployment, arn, every_s=0.05)
        return arn.rpartition(":")[2], last

    def arn(self, name: str) -> str:
        return self.deployment.arn(name)

    def lines(self, *names: str) -> tuple[list[Any], results.Summary]:
        lines: list[results.Line] = []
        return lines, results.collect(self.deployment, names, lines.append)


@pytest.fixture
def machine(
    app: ModuleType,
    definition: dict[str, Any],
    s3_server: LocalS3,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Machine]]:
    monkeypatch.setenv("MOTO_PORT", s3_server.url.rpartition(":")[2])
    with ExitStack() as stack:

        def build(function: Callable[[Event], Any] | None = None) -> Machine:
            environment = threading.Lock()  # one execution environment serves one at a time

            def call(event: Event) -> Any:
                with environment:
                    return app.batch_handler(event, Context())

            inject = function or (lambda _: None)

            def guarded(event: Event) -> Any:
                inject(event)
                return call(event)

            step_functions = FakeStepFunctions(definition, guarded, LIMIT)
            stack.enter_context(step_functions.installed())
            return Machine(step_functions, s3_server.url)

        yield build


def put_images(s3: Any, count: int, prefix: str = "many") -> dict[str, str]:
    """Put ``count`` images; the label that each should get, by key."""
    files = {name: images.encode(images.plain(rgb), "PNG") for name, rgb in COLORS.items()}
    labels = {}
    for number, name in zip(range(count), itertools.cycle(COLORS), strict=False):
        key = f"{prefix}/{number:04}.png"
        s3.put_object(Bucket="images", Key=key, Body=files[name])
        labels[key] = name
    return labels


def keys(event: Event) -> list[str]:
    return [item["Key"] for item in event["Items"]]


def test_each_of_a_thousand_objects_has_one_result(
    machine: Callable[..., Machine], s3: Any
) -> None:
    labels = put_images(s3, 1000)
    # In every batch of 64 one image that is none, and here and there one that cannot be read:
    # S3 lists what is in its archive, and does not give it out.
    broken = [key for number, key in enumerate(labels) if number % 64 == 20]
    archived = [key for number, key in enumerate(labels) if number % 250 == 7]
    for key in broken:
        s3.put_object(Bucket="images", Key=key, Body=BROKEN)
    for key in archived:
        s3.put_object(Bucket="images", Key=key, Body=b"deep down", StorageClass="GLACIER")
    tries: Counter[str] = Counter()
    seen = threading.Lock()

    def inject(event: Event) -> None:
        first = keys(event)[0]
        with seen:
            tries[first] += 1
            count = tries[first]
        if list(labels).index(first) % 3 == 0 and count <= 2:
            raise Throttled
        if list(labels).index(first) % 5 == 0 and count == 3:
            raise FunctionFailed("ModelUnavailable")

    machine_ = machine(inject)
    name, end = machine_.run(bucket="images", prefix="many/", top_k=2)

    assert end.status == "SUCCEEDED"
    lines, summary = machine_.lines(name)
    assert Counter(line["key"] for line in lines) == Counter(list(labels))  # none lost, none twice
    errors = {line["key"]: line["error"]["code"] for line in lines if "error" in line}
    assert errors == dict.fromkeys(broken, "undecodable-image") | dict.fromkeys(
        archived, "fetch-failed"
    )
    for line in lines:
        assert line["bucket"] == "images"
        assert line["model"] == {"name": "colors", "version": "1"}
        if line["key"] not in errors:
            best, second = line["labels"]
            chances = colors.expected(COLORS[labels[line["key"]]])
            assert best["label"] == labels[line["key"]]
            assert best["probability"] == pytest.approx(chances[best["label"]], abs=1e-5)
            assert second["probability"] == pytest.approx(chances[second["label"]], abs=1e-5)
    assert summary.classified == 1000 - len(broken) - len(archived)
    assert summary.lost == 0
    assert len(tries) == 16  # sixteen batches of 64
    assert max(tries.values()) == 4  # twice throttled, once without a model, then answered
    assert machine_.step_functions.most_busy == CONCURRENCY  # and so never refused by the limit
    assert machine_.step_functions.throttled == 0


def test_failed_batch_is_recorded_and_its_images_are_retried_one_by_one(
    machine: Callable[..., Machine], s3: Any
) -> None:
    labels = put_images(s3, 96)
    killer = "many/0040.png"
    calls: list[list[str]] = []

    def inject(event: Event) -> None:
        calls.append(keys(event))
        if killer in keys(event):
            raise FunctionFailed("Runtime.ExitError")

    machine_ = machine(inject)
    source = {"bucket": "images", "prefix": "many/", "items_per_batch": 4, "top_k": 1}
    name, end = machine_.run(**source)

    assert (end.status, end.failed) == ("SUCCEEDED", 1), (
        end.cause
    )  # moto counts the batch as one item
    lines, summary = machine_.lines(name)
    taken = next(call for call in calls if killer in call)
    assert len(taken) == 4
    assert calls.count(taken) == 3  # the first try and two more
    assert {line["key"] for line in lines} == labels.keys() - set(taken)
    assert summary.lost == 4
    assert set(results.lost(machine_.deployment, name)) == {("images", key) for key in taken}

    calls.clear()
    _, end = machine_.follow(execution.redrive(machine_.deployment, machine_.arn(name)))
    assert sorted(map(len, calls)) == [1] * 6  # one by one: three once, the killer three times
    assert end.status == "FAILED"  # one of four is more than is tolerated
    assert "ToleratedFailure" in end.cause


def test_retried_image_replaces_its_fetch_error(machine: Callable[..., Machine], s3: Any) -> None:
    labels = put_images(s3, 40)
    s3.put_object(Bucket="images", Key="many/0003.png", Body=b"deep", StorageClass="GLACIER")
    s3.put_object(Bucket="images", Key="many/0004.png", Body=BROKEN)
    machine_ = machine()
    first, _ = machine_.run(bucket="images", prefix="many/", top_k=1, min_probability=0.5)
    _, summary = machine_.lines(first)
    assert summary.errors == {"fetch-failed": 1, "undecodable-image": 1}

    put_images(s3, 4)  # 0003 is out of the archive now; 0004 is still broken
    again, end = machine_.follow(execution.redrive(machine_.deployment, machine_.arn(first)))
    assert end.status == "SUCCEEDED"
    only, _ = machine_.lines(again)
    assert [line["key"] for line in only] == ["many/0003.png"]
    merged, summary = machine_.lines(first, again)
    assert Counter(line["key"] for line in merged) == Counter(list(labels))
    assert {line["key"] for line in merged if "error" in line} == {"many/0004.png"}
    assert all(len(line["labels"]) == 1 for line in merged if "labels" in line)
    assert summary.errors == {"undecodable-image": 1}

    assert execution.redrive(machine_.deployment, machine_.arn(again)) is None  # nothing is left


def test_failed_execution_is_redriven_where_it_stopped(
    machine: Callable[..., Machine], s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_images(s3, 8)

    def inject(event: Event) -> None:
        raise FunctionFailed("ModelUnavailable")

    machine_ = machine(inject)
    name, end = machine_.run(bucket="images", prefix="many/")
    assert end.status == "FAILED"
    # Fifteen seconds at first: an environment refuses to load its model again before ten are over.
    assert machine_.step_functions.waits == [15, 30, 60, 120]

    calls: list[Any] = []
    steps = machine_.deployment.step_functions
    # moto has no such call
    monkeypatch.setattr(steps, "redrive_execution", lambda **given: calls.append(given))
    arn = machine_.arn(name)
    assert execution.redrive(machine_.deployment, arn) == arn
    assert calls == [{"executionArn": arn}]


MANIFEST_ROWS = [
    ("images", "many/0000.png", "red"),
    ("images", "many/0001.png", "green"),
    ("secret", "many/0000.png", "url-not-allowed"),
    ("images", "many/nothing.png", "fetch-failed"),
    ("images", "many/", "fetch-failed"),  # a key to the letter
    ("images", "", "invalid-request"),
    ("images", "many/0001.png", "green"),  # twice in the manifest, so twice in the results
]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_manifest_lists_the_images(machine: Callable[..., Machine], s3: Any, kind: str) -> None:
    put_images(s3, 3)
    rows = [{"Bucket": bucket, "Key": key, "Note": "spare"} for bucket, key, _ in MANIFEST_ROWS]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if kind == "csv":
        text = "Note,Bucket,Key\n" + "".join(f"spare,{r['Bucket']},{r['Key']}\n" for r in rows)
    s3.put_object(Bucket="secret", Key=f"lists/november.{kind}", Body=text.encode())
    machine_ = machine()
    name, end = machine_.run(bucket="secret", **{kind: f"lists/november.{kind}"})
    assert end.status == "SUCCEEDED"
    lines, _ = machine_.lines(name)
    told = [
        (line["bucket"], line["key"] or "", line["error"]["code"])
        if "error" in line
        else (line["bucket"], line["key"], line["labels"][0]["label"])
        for line in lines
    ]
    assert sorted(told) == sorted(MANIFEST_ROWS)


@pytest.mark.parametrize("given", [{}, {"bucket": "images"}, {"prefix": "many/"}])
def test_input_without_images_fails_at_once(
    machine: Callable[..., Machine], given: dict[str, str]
) -> None:
    _, end = machine().run(**given)
    assert end.status == "FAILED"
    assert end.cause.startswith("InvalidInput: The input should hold 'bucket' and one of")


def test_invalid_options_are_not_retried(machine: Callable[..., Machine], s3: Any) -> None:
    put_images(s3, 3)
    machine_ = machine()
    _, end = machine_.run(bucket="images", prefix="many/", top_k=17)
    assert end.status == "FAILED"
    assert machine_.step_functions.waits == []


def test_lines_hold_embeddings_where_they_are_asked_for(
    machine: Callable[..., Machine], s3: Any
) -> None:
    labels = put_images(s3, 12)
    machine_ = machine()
    name, end = machine_.run(bucket="images", prefix="many/", embedding=True, items_per_batch=8)
    assert end.status == "SUCCEEDED"
    lines, _ = machine_.lines(name)
    assert len(lines) == len(labels)
    for line in lines:
        assert len(line["embedding"]) == 3
        assert np.linalg.norm(line["embedding"]) == pytest.approx(1, abs=1e-6)


def test_throttled_executions_wait_and_succeed(machine: Callable[..., Machine], s3: Any) -> None:
    labels = put_images(s3, 60)

    def inject(_: Event) -> None:
        # Each holds its place until the two executions together have been turned away once.
        give_up = time.monotonic() + 10
        while not machine_.step_functions.throttled and time.monotonic() < give_up:
            time.sleep(0.01)

    machine_ = machine(inject)
    source = {"bucket": "images", "prefix": "many/", "items_per_batch": 6}
    started = [execution.start(machine_.deployment, source) for _ in range(2)]
    for arn in started:
        name, end = machine_.follow(arn)
        assert end.status == "SUCCEEDED"
        lines, summary = machine_.lines(name)
        assert Counter(line["key"] for line in lines) == Counter(list(labels))
        assert summary.classified == 60
    assert machine_.step_functions.most_busy == LIMIT
    assert machine_.step_functions.throttled > 0


def lint(definition: dict[str, Any]) -> list[str]:
    """What CloudFormation's linter says of a template with ``definition`` in it."""
    machine = {"RoleArn": "arn:aws:iam::123456789012:role/r", "Definition": definition}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}
    template = json.dumps({"Resources": {"Machine": resource}})
    return [match.message for match in cfnlint.lint(template)]


def test_deployed_definition_passes_the_linter(definition: dict[str, Any]) -> None:
    assert lint(definition) == []
    definition["States"]["CSV"]["ItemProcessor"]["States"]["Classify"]["Retries"] = []
    assert "'Retries' was unexpected" in lint(definition)[0]  # it looks inside


def test_every_transition_leads_to_a_state(definition: dict[str, Any]) -> None:
    # The linter overlooks this.
    states = definition["States"]
    ways = [definition["StartAt"]]
    for state in states.values():
        ways += [state[name] for name in ("Next", "Default") if name in state]
        ways += [choice["Next"] for choice in state.get("Choices", [])]
    assert set(ways) == set(states)


def test_the_three_maps_differ_only_in_their_readers(definition: dict[str, Any]) -> None:
    maps = [state for state in definition["States"].values() if state["Type"] == "Map"]
    assert len(maps) == 3
    for state in maps:
        assert state.pop("ItemReader")
        assert state.pop("Label")
        assert state == maps[0]
    assert "&" not in DEFINITION.read_text()  # CloudFormation would take an anchor for text


def test_definition_has_what_the_fake_takes_out(definition: dict[str, Any]) -> None:
    for state in definition["States"].values():
        if state["Type"] == "Map":
            assert state["ItemBatcher"]["MaxItemsPerBatchPath"] == "$.items_per_batch"
            assert state["MaxConcurrency"] == CONCURRENCY
            assert 0 < state["ToleratedFailurePercentage"] < 100
            assert state["ResultWriter"]["Parameters"]["Bucket"] == "results"
    assert definition["States"]["Defaults"]["Parameters"]["items_per_batch"] == batch.MAX_ITEMS
    assert definition["States"]["Defaults"]["Parameters"]["top_k"] == LabelOptions.top_k


# The function alone.


def log(app: ModuleType, capsys: pytest.CaptureFixture[str], event: Event) -> list[Any]:
    """The lines that one call of the function writes."""
    capsys.readouterr()
    with contextlib.suppress(Exception):
        app.batch_handler(event, Context())
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_batch_is_one_line_and_one_record(
    app: ModuleType, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(s3, 3)
    items = [{"Key": f"many/000{number}.png"} for number in range(5)]
    lines = log(app, capsys, {"Items": items, "BatchInput": {"bucket": "images"}})
    *reasons, line, record = lines
    assert len(reasons) == 2  # why each of the two missing objects was not read
    assert line["message"] == "batch"
    assert (line["images"], line["refused"]) == (5, {"fetch-failed": 2})
    assert (line["code"], line["model"], line["version"]) == ("ok", "colors", "1")
    assert line["cold_start"] is True
    assert "many/" not in json.dumps(line)
    assert record["BatchImages"] == [5.0]
    assert record["BatchRefused"] == [2.0]
    assert record["BatchDuration"][0] > 0
    assert "Duration" not in record  # a batch is no slow request


def test_a_image_that_breaks_the_decoder_is_its_own_error(
    app: ModuleType,
    s3: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_images(s3, 3)
    s3.put_object(Bucket="images", Key="many/0001.png", Body=b"poison")
    from classifier import pipeline

    decode = pipeline.to_tensor

    def to_tensor(data: bytes, *rest: Any) -> Any:
        if data == b"poison":
            raise ZeroDivisionError("in the decoder")
        return decode(data, *rest)

    monkeypatch.setattr(pipeline, "to_tensor", to_tensor)
    event = {
        "Items": [{"Key": f"many/000{number}.png"} for number in range(3)],
        "BatchInput": {"bucket": "images"},
    }
    first, second, third = app.batch_handler(event, Context())
    assert second["error"]["code"] == "internal-error"
    assert "decoder" not in json.dumps(second)
    assert (first["labels"][0]["label"], third["labels"][0]["label"]) == ("red", "blue")
    trace, line, _ = log(app, capsys, event)
    assert "ZeroDivisionError: in the decoder" in trace["exception"]
    assert line["refused"] == {"internal-error": 1}


def test_without_a_model_a_batch_raises_and_says_so(
    app: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from classifier.errors import ModelUnavailable

    monkeypatch.setattr(app.environment, "_service", None)
    monkeypatch.setattr(app.environment, "_retry_at", float("inf"))
    event = {"Items": [{"Key": "a.png"}], "BatchInput": {"bucket": "images"}}
    with pytest.raises(ModelUnavailable):
        app.batch_handler(event, Context())
    line, record = log(app, capsys, event)
    assert line["code"] == "model-unavailable"
    assert "model" not in line
    assert record["outcome"] == "model-unavailable"


def test_a_network_that_fails_is_not_told_as_well(
    app: ModuleType, s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_images(s3, 1)
    monkeypatch.setattr(type(app.environment.service().model), "classify", lambda *_: 1 / 0)
    event = {"Items": [{"Key": "many/0000.png"}], "BatchInput": {"bucket": "images"}}
    with pytest.raises(ZeroDivisionError):
        app.batch_handler(event, Context())
    line, _ = log(app, capsys, event)
    assert line["code"] == "internal-error"


def test_when_time_runs_out_the_rest_are_errors_and_not_lost(
    app: ModuleType, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_images(s3, 2)
    monkeypatch.setattr(app, "BATCH_RESERVE_S", 300.0)  # of the 300 s that there are
    items = [{"Key": "many/0000.png"}, {"Key": "many/0001.png"}]
    lines = app.batch_handler({"Items": items, "BatchInput": {"bucket": "images"}}, Context())
    assert [line["error"]["code"] for line in lines] == ["fetch-timeout"] * 2


# The tool, as people call it.


@pytest.fixture
def stack(machine: Callable[..., Machine], s3_server: LocalS3, monkeypatch: Any) -> Machine:
    """The machine as a deployed stack, which every AWS client finds."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    deployed = machine()
    values = {
        outputs.BATCH_STATE_MACHINE: deployed.deployment.state_machine,
        outputs.BATCH_RESULTS: deployed.deployment.results,
    }
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in values.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName="images", TemplateBody=json.dumps(template)
    )
    return deployed


def call(*arguments: str) -> int:
    return cli.run([*arguments, "--stack", "images"])


def printed_name(out: str) -> str:
    """The execution's name in the output, which holds the function's log too."""
    (name,) = (line for line in out.splitlines() if not line.startswith("{"))
    return name


def test_start_follow_redrive_and_results(
    stack: Machine, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(s3, 20)
    s3.put_object(Bucket="images", Key="many/0003.png", Body=b"deep", StorageClass="GLACIER")
    capsys.readouterr()
    assert call("start", "s3://images/many/", "--items-per-batch", "4", "--top-k", "1") == 0
    out, err = capsys.readouterr()
    name = printed_name(out)
    assert f"batch.py results {name} --to results.jsonl" in err
    assert call("follow", name) == 0

    put_images(s3, 4)
    assert call("redrive", name, "--no-follow") == 0
    again = printed_name(capsys.readouterr().out)
    assert call("follow", again) == 0
    assert call("redrive", again) == 0
    assert "Nothing failed that is worth another try." in capsys.readouterr().err

    file = tmp_path / "results.jsonl"
    assert call("results", name, again, "--to", str(file)) == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 20
    assert all(len(line["labels"]) == 1 for line in lines)
    assert capsys.readouterr().err.split() == ["classified", "20"]


def test_failed_execution_is_one_line_that_says_what_to_do(
    stack: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deployment.s3.put_object(Bucket="images", Key="list.csv", Body=b"no,such\ncolumn,1\n")
    assert call("start", "s3://images/list.csv") == 0  # Each row has an error in the results.
    name = printed_name(capsys.readouterr().out)
    assert call("results", name) == 0
    assert capsys.readouterr().err.split() == ["classified", "0", "invalid-request", "1"]
    assert call("start", "s3://nowhere/list.csv") == 1
    assert "ended as FAILED" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["start", "images/many"], "not of the form s3://bucket/prefix"),
        (["start", "s3://images/", "--top-k", "17"], "--top-k"),
        (["start", "s3://images/", "--items-per-batch", "65"], "--items-per-batch"),
        (["follow", "never-started"], "does not exist"),
        (["redrive", "never-started"], "does not exist"),
        (["results", "never-started"], "never-started has no results"),
    ],
)
def test_wrong_argument_is_one_line(
    stack: Machine, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert call(*arguments) != 0
    error = capsys.readouterr().err
    assert words.lower() in error.lower()
    assert error.startswith("Error: ")
    assert error.count("\n") == 1


def test_stack_without_batches_says_how_to_deploy_them(
    stack: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    boto3.client("cloudformation").create_stack(StackName="plain", TemplateBody=template)
    assert cli.run(["follow", "x", "--stack", "plain"]) == 1
    assert "deploy it with BatchBuckets" in capsys.readouterr().err


def test_folder_and_prefix_through_a_local_api(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "images"
    for number, (name, rgb) in enumerate(list(COLORS.items()) * 7):  # More than one request holds.
        (place / name).mkdir(parents=True, exist_ok=True)
        (place / name / f"{number:02}.png").write_bytes(images.encode(images.plain(rgb), "PNG"))
    (place / "broken.jpg").write_bytes(b"no image either")
    (place / "gone.png").symlink_to("nowhere")
    (place / "notes.txt").write_text("no image")
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), np.uint8)
    (place / "large").write_bytes(images.encode(Image.fromarray(noise), "PNG"))
    assert (place / "large").stat().st_size > local.MAX_BYTES
    port = free_port()
    settings = {"MODEL": str(folder), "S3_PORT": str(port), "S3_READ_BUCKETS": "images"}
    out = tmp_path / "results.jsonl"
    with run_local_stack(tmp_path / "log", **settings) as api:
        assert cli.run(["local", str(place), "--url", api, "--to", str(out)]) == 0
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(lines) == 24
        errors = {line["key"]: line["error"] for line in lines if "error" in line}
        assert errors["broken.jpg"]["code"] == "unsupported-image-type"
        assert errors["gone.png"]["code"] == "fetch-failed"
        for line in lines:
            assert line["model"]["name"] == "colors"
            if line["key"] not in {*errors, "large"}:
                assert line["labels"][0]["label"] == Path(line["key"]).parent.name
        counts, _, others = capsys.readouterr().err.rpartition("Not sent")
        assert counts.split()[-6:] == [
            *("classified", "22", "unsupported-image-type", "1", "fetch-failed", "1"),
        ]
        assert others == ", as they are no images: 1 (notes.txt)\n"

        table = tmp_path / "results.csv"
        assert cli.run(["local", str(place / "red"), "--url", api, "--to", str(table)]) == 0
        head, first, *_ = table.read_text().splitlines()
        assert head == "key,label,probability,code"
        assert first.startswith("00.png,red,0.")
        capsys.readouterr()

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
            for name, value in CREDENTIALS.items():
                patch.setenv(name, value)
            client = boto3.client("s3")
            client.create_bucket(Bucket="images")
            put_images(client, 3)
            where = "s3://images/many/"
            assert cli.run(["local", where, "--url", api, "--to", str(out)]) == 0
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert [line["labels"][0]["label"] for line in lines] == list(COLORS)
        assert {line["bucket"] for line in lines} == {"images"}
    assert cli.run(["local", str(place), "--url", api]) == 1
    assert "is `make run` running?" in capsys.readouterr().err
    assert cli.run(["local", str(tmp_path / "nowhere"), "--url", api]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_large_images_are_divided_among_requests() -> None:
    sizes = [3_000_000, 900_000, 200_000, 5_000_000, 1] + [10] * 20
    sent = [local.Item(None, str(number), None, size) for number, size in enumerate(sizes)]
    groups = list(local.groups(sent))
    assert [image for group in groups for image in group] == sent
    assert [len(group) for group in groups] == [2, 1, 1, 16, 5]
