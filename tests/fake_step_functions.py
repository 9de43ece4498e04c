"""A fake Step Functions for the tests: moto's interpreter of the states language, completed.

moto parses the definition, reads the items, runs the children of the distributed Map side by side,
and retries as the definition says. This module replaces or adds, each as Step Functions'
documentation describes it:

- ItemBatcher, which moto's grammar refuses: it is taken out of the definition, and the items are
  batched just before the Map hands them out;
- WriterConfig, which moto's grammar refuses, and ResultWriter's files, of which moto writes the
  manifest alone: the files are written as FLATTEN and JSONL say;
- InputType JSONL, which moto does not know: its JSON reader reads one line at a time;
- ToleratedFailurePercentage, which moto ignores: it is checked when all batches have ended;
- the function, for which moto would start a container: it is called in this process;
- the wait before a retry: a fiftieth of it is waited, and ``waits`` has all of it.

The tests show nothing of how Step Functions itself does these things.
"""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from moto.core.config import default_user_config
from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval.resource_output_transformer.transformer_json import (  # noqa: E501
    ResourceOutputTransformerJson,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (  # noqa: E501
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3 import (  # noqa: E501
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

Function = Callable[[Any], Any]


def substitute(text: str, **values: str) -> Any:
    """The definition in ``text``, parsed; each ``${name}`` is replaced, as CloudFormation does."""
    for name, value in values.items():
        text = text.replace("${" + name + "}", value)
    return yaml.safe_load(text)


class FunctionFailed(Exception):
    """The function ends with an error named ``error``. A fake function raises it."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Throttled(Exception):
    """The function is not called: too many calls are running."""


class FakeStepFunctions:
    """Runs the state machines of one definition; moto gets ``definition``.

    function: takes the payload, parsed; returns the response, which must have a form in JSON.
    limit: the function's reserved concurrency.
    """

    def __init__(self, definition: dict[str, Any], function: Function, limit: int) -> None:
        self._function = function
        self._limit = limit
        self._lock = threading.Lock()
        self._batchers: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, list[dict[str, Any]]] = {}
        self.busy = self.most_busy = self.throttled = 0
        self.waits: list[float] = []
        self.definition = self._without_what_moto_lacks(definition)

    def _without_what_moto_lacks(self, definition: dict[str, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = json.loads(json.dumps(definition))
        for state in copy["States"].values():
            if state["Type"] != "Map":
                continue
            self._batchers[state["Label"]] = state.pop("ItemBatcher")
            assert state["ResultWriter"].pop("WriterConfig") == {
                "Transformation": "FLATTEN",
                "OutputType": "JSONL",
            }
            # moto's grammar wants a decimal point here.
            state["ToleratedFailurePercentage"] = float(state["ToleratedFailurePercentage"])
            reader = state["ItemReader"].get("ReaderConfig", {})
            if reader.get("InputType") == "JSONL":
                reader["InputType"] = "JSON"
        return copy

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While this lasts, moto runs state machines this way."""
        fake = self
        moto_map_run = DistributedIterationComponent._map_run

        def map_run(component: Any, env: Any, eval_input: Any) -> None:
            env.stack.append(fake._batch(eval_input.label, env.stack.pop(), env))
            batches = env.stack[-1]
            moto_map_run(component, env, eval_input)
            ended = [
                {"input": batch, "output": output}
                for batch, output in zip(batches, env.stack[-1], strict=True)
            ]
            fake._runs[eval_input.map_run_record.map_run_arn] = ended
            fake._check_failures(ended, eval_input.tolerated_failure_percentage, env)

        def json_lines(_: Any, env: Any) -> None:
            env.stack.pop()
            env.stack.append([json.loads(line) for line in env.stack.pop().splitlines()])

        def put_object(env: Any, part: Any, credentials: Any) -> None:
            location = env.stack.pop()
            env.stack.pop()
            record = env.map_run_record_pool_manager.get_all().pop()
            client = ResourceEvalS3._get_s3_client(part, credentials)
            details = fake._write(client, location, record.map_run_arn)
            env.stack.append({"MapRunArn": record.map_run_arn, "ResultWriterDetails": details})

        client_for = lambda_eval_utils.boto_client_for
        # moto logs the whole definition with every error that a test provokes.
        logging.getLogger("moto").setLevel(logging.CRITICAL)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(default_user_config, "stepfunctions", {"execute_state_machine": True})
            patch.setattr(DistributedIterationComponent, "_map_run", map_run)
            patch.setattr(ResourceOutputTransformerJson, "_eval_body", json_lines)
            patch.setattr(ResourceEvalS3, "_handle_put_object", staticmethod(put_object))
            patch.setattr(retrier_decl, "time", self)
            patch.setattr(
                lambda_eval_utils,
                "boto_client_for",
                lambda service, **rest: (
                    self if service == "lambda" else client_for(service=service, **rest)
                ),
            )
            yield

    def sleep(self, seconds: float) -> None:
        """Replaces ``time.sleep`` between retries."""
        self.waits.append(seconds)
        threading.Event().wait(seconds / 50)

    def invoke(self, FunctionName: str, Payload: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Replaces Lambda's API."""
        assert FunctionName.startswith("arn:aws:lambda:")
        with self._lock:
            if self.busy >= self._limit:
                self.throttled += 1
                raise _throttling_error()
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            response = self._function(json.loads(Payload))
        except Throttled:
            raise _throttling_error() from None
        except Exception as error:  # noqa: BLE001  (as Lambda's runtime does)
            name = error.error if isinstance(error, FunctionFailed) else type(error).__name__
            problem = {"errorType": name, "errorMessage": str(error)}
            return {
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps(problem).encode()),
            }
        finally:
            with self._lock:
                self.busy -= 1
        payload = json.dumps(response, ensure_ascii=False).encode()
        assert len(payload) <= 262_144, "more than a state holds"
        return {"StatusCode": 200, "Payload": io.BytesIO(payload)}

    def _batch(self, label: str, items: list[Any], env: Any) -> list[dict[str, Any]]:
        batcher = self._batchers[label]
        items = json.loads(json.dumps(items, default=str))  # A listing has dates.
        size = env.states.get_input(batcher["MaxItemsPerBatchPath"])
        common = {
            name.removesuffix(".$"): env.states.get_input(path)
            for name, path in batcher["BatchInput"].items()
        }
        return [
            {"BatchInput": common, "Items": items[first : first + size]}
            for first in range(0, len(items), size)
        ]

    def _check_failures(self, ended: list[dict[str, Any]], tolerated: float, env: Any) -> None:
        lost = sum(len(batch["input"]["Items"]) for batch in ended if batch["output"] is None)
        total = sum(len(batch["input"]["Items"]) for batch in ended)
        if lost * 100 <= tolerated * total:
            return
        error = StatesErrorName(StatesErrorNameType.StatesExceedToleratedFailureThreshold)
        details = ExecutionFailedEventDetails(error=error.error_name, cause="too many failed")
        raise FailureEventException(
            FailureEvent(
                env=env,
                error_name=error,
                event_type=HistoryEventType.ExecutionFailed,
                event_details=EventDetails(executionFailedEventDetails=details),
            )
        )

    def _write(self, client: Any, location: dict[str, str], map_run: str) -> dict[str, str]:
        folder = f"{location['Prefix']}/{map_run.rpartition(':')[2]}"
        ended = self._runs[map_run]
        lines = [line for batch in ended if batch["output"] is not None for line in batch["output"]]
        failures = [
            {"Status": "FAILED", "Input": json.dumps(batch["input"])}
            for batch in ended
            if batch["output"] is None
        ]
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, entries in (("SUCCEEDED", lines), ("FAILED", failures)):
            if entries:
                key = f"{folder}/{status}_0.jsonl"
                body = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
                client.put_object(Bucket=location["Bucket"], Key=key, Body=body)
                files[status].append({"Key": key, "Size": len(body)})
        manifest = {
            "DestinationBucket": location["Bucket"],
            "MapRunArn": map_run,
            "ResultFiles": files,
        }
        key = f"{folder}/manifest.json"
        client.put_object(Bucket=location["Bucket"], Key=key, Body=json.dumps(manifest).encode())
        return {"Bucket": location["Bucket"], "Key": key}


def _throttling_error() -> ClientError:
    response = {
        "Error": {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."},
        "ResponseMetadata": {"HTTPStatusCode": 429, "RequestId": "r"},
    }
    return ClientError(response, "Invoke")
