"""What a deploy will do in one region: worked out before anything is made."""

from dataclasses import dataclass
from typing import Any

import boto3

from tools import outputs
from tools.deploy import account, regions, stack, uploads
from tools.deploy.parameters import Options, Values
from tools.deploy.stack import Stack


@dataclass(frozen=True)
class Plan:
    """values: the parameters to set. notes: what people should read. before: the stack there is."""

    region: str
    values: Values
    notes: tuple[str, ...]
    before: Stack | None

    def effective(self, own: Values, defaults: dict[str, str | None]) -> Values:
        """Every parameter of the stack after the deploy; ``own`` are the model's."""
        given = {name: value for name, value in defaults.items() if value is not None}
        kept = self.kept()
        return given | {name: kept[name] for name in kept if name in defaults} | self.values | own

    def kept(self) -> Values:
        """What the stack keeps of an earlier deploy."""
        return {} if self.before is None or self.before.is_failed else self.before.parameters


def make_plan(
    name: str, region: str, options: Options, defaults: dict[str, str | None], *, alarms: bool
) -> Plan:
    """The plan for the stack ``name`` in ``region``, whose clients boto3 makes now.

    alarms: whether alarms may stop the deployment.

    Raises ToolError: something stands against it.
    """
    before = stack.find(_client("cloudformation"), name)
    notes: list[str] = []
    if before is not None:
        stack.check(before, region)
        if before.is_failed:
            notes.append(f"The stack is {before.state}: it is deleted first.")
    given = options.values(region) | {"DeploymentAlarms": "true" if alarms else "false"}
    if not alarms:
        notes.append("No alarm stops this deployment; the next deploy watches them again.")
    plan = Plan(region, given, (), before)
    effective = plan.effective({}, defaults)
    regions.check(effective, region, _client("s3"))
    results = {before.outputs.get(output, "") for output in outputs.RESULTS} if before else set()
    uploads.check(effective, results)
    if silent := uploads.without_notifications(_client("s3"), effective):
        notes.append(f"EventBridge will be told of new objects in {', '.join(silent)}.")
    explicit = options.explicit(region)
    adapted = account.adapt(
        effective, explicit, plan.kept(), account.read_limits(_client("lambda"))
    )
    roles = account.api_log_role(plan.kept(), _client("apigateway"))
    values = given | adapted.values | roles.values
    # What --set says is never changed: adapt has refused what cannot be.
    values |= explicit
    known = {key: value for key, value in values.items() if key in defaults}
    return Plan(region, known, (*notes, *adapted.notes, *roles.notes), before)


def _client(service: str) -> Any:
    return boto3.client(service)  # type: ignore[call-overload]
