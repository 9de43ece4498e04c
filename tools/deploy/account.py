"""The account: what it has to give, and what a deployment therefore takes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.errors import ToolError

NONE = "none"  # a reservation's value where nothing is reserved
RESERVED, BATCH_RESERVED = "ReservedConcurrency", "BatchConcurrency"

# Lambda keeps as many for all functions that reserve none.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
_KEPT_BY_LAMBDA = 100
_FULL_CONCURRENCY = 1000  # of an account that is not new
_NEW_ACCOUNT_MEMORY_MB = 3008
_MAX_RUN_CONCURRENCY = 40


@dataclass(frozen=True)
class Limits:
    """Requests that the account's functions answer at once in one region.

    total: all of them. unreserved: those that no function has reserved.
    """

    total: int
    unreserved: int


@dataclass
class Adaptation:
    """Parameters that follow from the account, and a sentence on each that people should read."""

    values: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_limits(client: Any) -> Limits:
    """The limits of a region. client: a boto3 client of Lambda."""
    limits = client.get_account_settings()["AccountLimit"]
    return Limits(limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"])


def reserved_by(values: Mapping[str, str]) -> int:
    """What a stack with the parameters ``values`` reserves."""
    wanted = [values.get(RESERVED, NONE)]
    if values.get("BatchBuckets"):
        wanted.append(values.get(BATCH_RESERVED, NONE))
    return sum(int(each) for each in wanted if each.isdecimal())


def adapt(
    values: Mapping[str, str], explicit: Collection[str], before: Mapping[str, str], limits: Limits
) -> Adaptation:
    """Fit the parameters ``values`` to the account.

    explicit: the names that ``--set`` gives; they are never changed. before: the parameters of the
    stack that is there, whose reservation comes back.

    Raises ToolError: an explicit reservation is more than there is.
    """
    done = Adaptation()
    room = max(limits.unreserved - _KEPT_BY_LAMBDA, 0) + reserved_by(before)
    wanted = reserved_by(values)
    if wanted > room:
        if {RESERVED, BATCH_RESERVED} & set(explicit):
            raise ToolError(
                f"{wanted} reserved requests at once are more than the account has to give, {room}:"
                f" set {RESERVED} and {BATCH_RESERVED} lower, or to {NONE}"
            )
        done.values |= {RESERVED: NONE, BATCH_RESERVED: NONE}
        done.notes.append(
            f"The account can reserve {room} requests at once, not {wanted}: nothing is reserved."
            f' Ask for more "Concurrent executions" in Service Quotas, then set {RESERVED} and'
            f" {BATCH_RESERVED}."
        )
    fitted = dict(values) | done.values
    if fitted.get(RESERVED) == NONE:
        done.notes.append(
            f"{RESERVED} is {NONE}: the account's limit of {limits.total} requests at once alone"
            " bounds what a flood of requests can cost."
        )
    done.values["BatchRunConcurrency"] = str(_run_concurrency(fitted, limits))
    _fit_memory(values, explicit, limits, done)
    return done


def api_log_role(before: Mapping[str, str], client: Any) -> Adaptation:
    """Whether the stack sets the role with which API Gateway writes logs.

    An account and region has one for all its APIs, so a role that is there stays.

    before: the parameters of the stack that is there. client: a boto3 client of API Gateway.
    """
    if before.get("SetApiLogRole") == "true":  # it is the stack's own
        return Adaptation({"SetApiLogRole": "true"})
    role = client.get_account().get("cloudwatchRoleArn", "")
    if not role:
        return Adaptation({"SetApiLogRole": "true"})
    return Adaptation(
        {"SetApiLogRole": "false"}, [f"API Gateway goes on writing logs as {role} (SetApiLogRole)."]
    )


def _run_concurrency(values: Mapping[str, str], limits: Limits) -> int:
    """Batches that a run keeps going.

    Four fifths of what is reserved; where nothing is, half of the account, and at most forty: the
    other half is left to the API.
    """
    reserved = values.get(BATCH_RESERVED, NONE)
    if reserved.isdecimal() and reserved != "0":
        return max(1, int(reserved) * 4 // 5)
    return max(1, min(_MAX_RUN_CONCURRENCY, limits.total // 2))


def _fit_memory(
    values: Mapping[str, str], explicit: Collection[str], limits: Limits, done: Adaptation
) -> None:
    # No API tells the cap on memory; a new account is told by its concurrency.
    memory = int(values.get("MemorySize", 0))
    if limits.total >= _FULL_CONCURRENCY or memory <= _NEW_ACCOUNT_MEMORY_MB:
        return
    if "MemorySize" in explicit:
        done.notes.append(
            f"The account looks new. Lambda gives a new account {_NEW_ACCOUNT_MEMORY_MB:,} MB at"
            f" most, and may refuse MemorySize={memory}."
        )
        return
    done.values["MemorySize"] = str(_NEW_ACCOUNT_MEMORY_MB)
    done.notes.append(
        f"MemorySize is {_NEW_ACCOUNT_MEMORY_MB:,} MB, not {memory:,}: the account looks new, and"
        " Lambda gives it no more. Set it where that is not so."
    )
