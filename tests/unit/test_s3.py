"""The signer against botocore's, addresses against boto3's, and who reads in which environment."""

import calendar
import functools
import io
from collections.abc import Callable
from datetime import datetime
from unittest.mock import patch

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.location import S3Object
from classifier.net.deadline import Deadline
from classifier.net.pool import Address
from classifier.s3.boto import BotoClient
from classifier.s3.client import make_client
from classifier.s3.errors import ObjectMissing
from classifier.s3.signed import SignedClient, locate
from classifier.s3.sigv4 import Credentials, quote_key, sign_get

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40)
secrets = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=60)
keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80)
buckets = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,30}[a-z0-9]", fullmatch=True)
regions = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-4", "mx-central-1"])
values = st.from_regex(r"[!-~]([ -~]{0,40}[!-~])?", fullmatch=True)
moments = st.datetimes(datetime(1980, 1, 1), datetime(2099, 12, 31))  # noqa: DTZ001


@settings(max_examples=300, deadline=None)
@given(
    key=keys,
    bucket=buckets,
    region=regions,
    access=words,
    secret=secrets,
    token=st.one_of(st.just(""), words),
    extra=st.dictionaries(st.sampled_from(["range", "if-match", "x-amz-meta-a"]), values),
    moment=moments,
)
def test_signature_equals_botocores(
    key: str,
    bucket: str,
    region: str,
    access: str,
    secret: str,
    token: str,
    extra: dict[str, str],
    moment: datetime,
) -> None:
    host, path = f"{bucket}.s3.{region}.amazonaws.com", f"/{quote_key(key)}"
    ours = sign_get(
        host,
        path,
        extra,
        region=region,
        credentials=Credentials(access, secret, token),
        now=calendar.timegm(moment.timetuple()),
    )
    request = AWSRequest("GET", f"https://{host}{path}", headers=extra)
    request.headers["host"] = host
    theirs = S3SigV4Auth(BotoCredentials(access, secret, token or None), "s3", region)
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        theirs.add_auth(request)
    assert ours == {name.lower(): value for name, value in request.headers.items()}


def test_repr_of_credentials_holds_no_secret() -> None:
    shown = repr(Credentials("AKIA", "hidden-key", "hidden-token"))
    assert "hidden" not in shown


@functools.cache
def sent_by_boto3(region: str) -> Callable[[str, str], str]:
    """A function that gives the address that boto3 asks for a bucket's key."""
    client = boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id="a",
        aws_secret_access_key="s",
        config=Config(
            # Its default for us-east-1 is an older name of the same place.
            s3={"us_east_1_regional_endpoint": "regional"},
            ignore_configured_endpoint_urls=True,
        ),
    )
    sent: list[str] = []

    def answer(request: AWSRequest, **_: object) -> AWSResponse:
        sent.append(request.url)
        return AWSResponse(request.url, 200, {}, io.BytesIO())

    def ask(bucket: str, key: str) -> str:
        client.get_object(Bucket=bucket, Key=key)
        return sent.pop()

    client.meta.events.register("before-send.s3.GetObject", answer)
    return ask


@settings(max_examples=100, deadline=None)
@given(key=keys, bucket=buckets.filter(lambda name: ".." not in name), region=regions)
def test_object_address_equals_boto3s(key: str, bucket: str, region: str) -> None:
    address = locate(S3Object(bucket, key), region, "")
    assert sent_by_boto3(region)(bucket, key) == f"https://{address.host}{address.path}"


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:5000", Address(False, "127.0.0.1:5000", "/b/a%20%C3%A9/%2B~")),
        (
            "https://s3.example.com/under/",
            Address(True, "s3.example.com", "/under/b/a%20%C3%A9/%2B~"),
        ),
    ],
)
def test_custom_endpoint_has_the_bucket_in_its_path(endpoint: str, expected: Address) -> None:
    assert locate(S3Object("b", "a é/+~"), "us-east-1", endpoint) == expected


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
HERE = KEYS | {"AWS_REGION": "eu-central-1"}


@pytest.mark.parametrize(
    ("env", "kind"),
    [
        (HERE, SignedClient),
        (KEYS | {"AWS_DEFAULT_REGION": "us-gov-west-1"}, SignedClient),
        (KEYS | {"AWS_REGION": "any", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, SignedClient),
        ({"AWS_REGION": "eu-central-1"}, BotoClient),
        (HERE | {"AWS_SECRET_ACCESS_KEY": ""}, BotoClient),
        (KEYS, BotoClient),
        (KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, BotoClient),
        (HERE | {"AWS_REGION": "cn-north-1"}, BotoClient),
        (HERE | {"AWS_REGION": "us-iso-east-1"}, BotoClient),
        (HERE | {"AWS_USE_FIPS_ENDPOINT": "true"}, BotoClient),
        (HERE | {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, BotoClient),
        (HERE | {"HTTPS_PROXY": "http://127.0.0.1:1"}, BotoClient),
    ],
)
def test_environment_decides_which_client_is_made(env: dict[str, str], kind: type) -> None:
    assert type(make_client(env)) is kind


@pytest.mark.parametrize(
    ("env", "host"),
    [
        ({}, "b.s3.eu-central-1.amazonaws.com"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "127.0.0.1:1"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://[::1]:2"},
            "[::1]:2",
        ),
        (
            {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            },
            "b.s3.eu-central-1.amazonaws.com",
        ),
    ],
)
def test_environment_decides_which_endpoint_is_used(env: dict[str, str], host: str) -> None:
    asked: list[str] = []

    class Recorder:
        def get(self, address: Address, *_: object) -> None:
            asked.append(address.host)
            raise ObjectMissing("NoSuchKey")

    client = make_client(HERE | env)
    client._connections = Recorder()  # type: ignore[attr-defined]
    with pytest.raises(ObjectMissing):
        client.get(S3Object("b", "k"), Deadline.after(1))
    assert asked == [host]
