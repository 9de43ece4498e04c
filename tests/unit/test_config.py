"""Settings.from_env: defaults, what is read, and errors that name the variable."""

import pytest

from classifier.config import Settings
from classifier.errors import SettingsError
from classifier.location import S3Prefix

MODEL = {"MODEL_URI": "s3://models/resnet-18"}


def test_missing_variables_have_defaults() -> None:
    assert Settings.from_env(MODEL) == Settings(
        model_uri=S3Prefix("models", "resnet-18"),
        allowed_url_hosts=frozenset(),
        private_url_hosts=frozenset(),
        s3_read_buckets=frozenset(),
        max_image_bytes=10 * 1024 * 1024,
        max_image_pixels=40_000_000,
        fetch_timeout_s=10.0,
        threads=1,
        memory_bytes=None,
    )


def test_blank_variables_count_as_absent() -> None:
    names = ["ALLOWED_URL_HOSTS", "PRIVATE_URL_HOSTS", "S3_READ_BUCKETS", "MAX_IMAGE_BYTES"]
    names += ["MAX_IMAGE_PIXELS", "FETCH_TIMEOUT_S", "OMP_NUM_THREADS"]
    assert Settings.from_env(MODEL | dict.fromkeys(names, " ")) == Settings.from_env(MODEL)


def test_every_variable_is_read() -> None:
    settings = Settings.from_env(
        {
            "MODEL_URI": "s3://models/a/b/",
            "ALLOWED_URL_HOSTS": "images.example.com, Example.ORG",
            "PRIVATE_URL_HOSTS": "img.internal:8080 10.0.0.7,[FD00:0::1]:81",
            "S3_READ_BUCKETS": "my-images,more.images",
            "MAX_IMAGE_BYTES": "1000",
            "MAX_IMAGE_PIXELS": "2000",
            "FETCH_TIMEOUT_S": "2.5",
            "OMP_NUM_THREADS": "2",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        }
    )
    assert settings == Settings(
        model_uri=S3Prefix("models", "a/b"),
        allowed_url_hosts=frozenset({"images.example.com", "example.org"}),
        private_url_hosts=frozenset(
            {("img.internal", 8080), ("10.0.0.7", None), ("[fd00::1]", 81)}
        ),
        s3_read_buckets=frozenset({"my-images", "more.images"}),
        max_image_bytes=1000,
        max_image_pixels=2000,
        fetch_timeout_s=2.5,
        threads=2,
        memory_bytes=1769 * 1024 * 1024,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_URI", ""),
        ("MODEL_URI", "models/resnet-18"),
        ("MODEL_URI", "https://models/resnet-18"),
        ("MODEL_URI", "s3://"),
        ("MODEL_URI", "s3://UPPER/resnet-18"),
        ("ALLOWED_URL_HOSTS", "https://example.com"),
        ("ALLOWED_URL_HOSTS", "example.com/path"),
        ("ALLOWED_URL_HOSTS", "example.com:443"),
        ("PRIVATE_URL_HOSTS", "img.internal:"),
        ("PRIVATE_URL_HOSTS", "img.internal:0"),
        ("PRIVATE_URL_HOSTS", "img.internal:65536"),
        ("PRIVATE_URL_HOSTS", "user@img.internal"),
        ("PRIVATE_URL_HOSTS", "[:::]"),
        ("ALLOWED_URL_HOSTS", "[1:2]"),
        ("S3_READ_BUCKETS", "s3://images"),
        ("S3_READ_BUCKETS", "a_b"),
        ("MAX_IMAGE_BYTES", "0"),
        ("MAX_IMAGE_BYTES", "-1"),
        ("MAX_IMAGE_BYTES", "10MB"),
        ("MAX_IMAGE_PIXELS", "4e7"),
        ("FETCH_TIMEOUT_S", "0"),
        ("FETCH_TIMEOUT_S", "nan"),
        ("FETCH_TIMEOUT_S", "inf"),
        ("OMP_NUM_THREADS", "two"),
        ("OMP_NUM_THREADS", "1.5"),
    ],
)
def test_a_wrong_value_is_an_error_that_opens_with_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}[ =]"):
        Settings.from_env(MODEL | {name: value})


def test_a_prefix_may_be_empty() -> None:
    place = S3Prefix.parse("s3://bucket")
    assert (place.object("manifest.json").key, str(place)) == ("manifest.json", "s3://bucket/")
    assert S3Prefix.parse("s3://bucket/a/b").object("c").key == "a/b/c"
