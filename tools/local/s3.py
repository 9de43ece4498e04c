"""A stand-in for S3: moto's server, over HTTP on this machine."""

import logging
from collections.abc import Mapping
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


class LocalS3:
    """S3 in memory, served to every process of this machine. port 0: any free one."""

    def __init__(self, port: int = 0) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
        self._server = ThreadedMotoServer("127.0.0.1", port, verbose=False)

    def start(self) -> str:
        """Serve; returns the address."""
        self._server.start()
        return self.url

    def stop(self) -> None:
        """End it, and all that it holds."""
        self._server.stop()

    @property
    def url(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment to find it with any AWS SDK."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL_S3": self.url}

    def fill(self, bucket: str, prefix: str, files: Mapping[str, bytes]) -> None:
        """Put ``files``, by name, into a new bucket below ``prefix``."""
        client = self.client()
        client.create_bucket(Bucket=bucket)
        for name, data in files.items():
            client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=data)

    def make_buckets(self, names: str) -> None:
        """Make the buckets of S3_READ_BUCKETS, so that images can be put there."""
        for name in set(names.replace(",", " ").split()):
            self.client().create_bucket(Bucket=name)

    def client(self) -> Any:
        """A boto3 client of it."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
