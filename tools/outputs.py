"""The template's outputs that tools read, by name."""

BATCH_STATE_MACHINE = "BatchStateMachineArn"
BATCH_RESULTS = "BatchResultsBucket"
UPLOAD_RESULTS = "UploadResultsBucket"
UPLOAD_QUEUE = "UploadQueueUrl"
UPLOAD_DEAD_LETTERS = "UploadDeadLettersUrl"
UPLOAD_LOGS = "UploadLogGroup"
RESULTS = (BATCH_RESULTS, UPLOAD_RESULTS)  # buckets that outlive the stack
