"""What boto3's errors mean to people: what is wrong, then what to do."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  (botocore's own, of a host that cannot be reached)
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

_GET_CREDENTIALS = "run `aws configure` or `aws sso login`, or set AWS_PROFILE"
_GET_REGION = "give --region (a deploy: --regions), or set AWS_DEFAULT_REGION"
# Codes with which AWS refuses credentials, whatever they may do.
_REFUSED = frozenset(
    {
        *("AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId"),
        *("InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"),
    }
)


def describe(error: BotoCoreError | ClientError) -> str:
    """The error in one sentence."""
    match error:
        case NoCredentialsError():
            return f"no AWS credentials: {_GET_CREDENTIALS}"
        case ProfileNotFound():
            return f"{error}: `aws configure list-profiles` shows those there are"
        case NoRegionError():
            return f"no AWS region: {_GET_REGION}"
        case ConnectionError() | HTTPClientError():
            return f"AWS cannot be reached: {error}; check the network"
        case ClientError() if error.response["Error"].get("Code") in _REFUSED:
            return f"AWS refuses the credentials: {error}; {_GET_CREDENTIALS}"
        case ClientError() if "does not exist" in str(error) and "DescribeStacks" in str(error):
            message = error.response["Error"]["Message"]
            return f"{message}: name another with --stack or --region, or deploy it first"
    return str(error)
