"""Bundles in S3, as the tools read them."""

import os

import boto3
from botocore.exceptions import NoCredentialsError

from classifier.location import S3Prefix
from classifier.model.bundle import S3Store
from classifier.net.deadline import Deadline
from classifier.s3.client import make_client

_TIMEOUT_S = 300.0


def s3_store(prefix: S3Prefix) -> S3Store:
    """The bundle at ``prefix``, with the credentials of this process's environment.

    Raises NoCredentialsError: it has none. Reading would name the first file instead.
    """
    if boto3.Session().get_credentials() is None:
        raise NoCredentialsError
    return S3Store(prefix, make_client(os.environ), Deadline.after(_TIMEOUT_S))
