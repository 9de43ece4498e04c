"""The function's settings: the variables that tools hand on from their caller's environment."""

SETTINGS = (
    "MODEL_URI",
    "ALLOWED_URL_HOSTS",
    "PRIVATE_URL_HOSTS",
    "S3_READ_BUCKETS",
    "MAX_IMAGE_BYTES",
    "MAX_IMAGE_PIXELS",
    "FETCH_TIMEOUT_S",
    "USER_AGENT",
    "OMP_NUM_THREADS",
)
