"""What can go wrong while an object is read from S3. Messages say why, and name no object."""


class S3Error(Exception):
    """The object cannot be read."""


class ObjectMissing(S3Error):
    """There is no such object, or we may not see it."""


class ObjectDeleted(ObjectMissing):
    """There is no such object: S3 says so to those alone who may list the bucket."""


class ObjectReplaced(S3Error):
    """The object has another ETag than the one that was asked for."""


class ObjectTooLarge(S3Error):
    """The object is larger than the caller takes."""


class S3Timeout(S3Error):
    """The object did not arrive in time."""


def refusal(code: str, region: str | None) -> S3Error:
    """The error for S3's error code ``code``; ``region`` is the bucket's, where S3 says it."""
    # Without s3:ListBucket, S3 answers AccessDenied for a key that does not exist.
    if code == "AccessDenied":
        return ObjectMissing(code)
    if code == "NoSuchKey":
        return ObjectDeleted(code)
    if code == "PreconditionFailed":
        return ObjectReplaced(code)
    return S3Error(f"S3 answered {code}" + (f": the bucket is in {region}" if region else ""))
