"""The template's outputs that tools read, by name."""

BATCH_STATE_MACHINE = "BatchStateMachineArn"
BATCH_RESULTS = "BatchResultsBucket"
