"""Events on EventBridge's bus."""

from collections.abc import Mapping, Sequence
from typing import Any

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
_MAX_ENTRIES = 10


def put_events(client: Any, entries: Sequence[Mapping[str, str]]) -> list[str]:
    """Put ``entries`` on the default bus.

    Args:
        client: A boto3 client of EventBridge.
        entries: Any number.

    Returns:
        For each entry the code of its error; empty: it was taken.

    Raises:
        ClientError, BotoCoreError: EventBridge took none of a whole request.
    """
    errors: list[str] = []
    for first in range(0, len(entries), _MAX_ENTRIES):
        answer = client.put_events(Entries=entries[first : first + _MAX_ENTRIES])
        errors += [entry.get("ErrorCode", "") for entry in answer["Entries"]]
    return errors
