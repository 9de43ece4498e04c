"""A local S3: moto's server, over HTTP on this machine."""

import logging
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import boto3
from moto.server import ThreadedMotoServer

from tools.local.ports import HOST

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


class LocalS3:
    """S3 in memory. As a context it serves from its beginning to its end.

    port: 0 is any free one. host: the address of this machine that it is served at.
    """

    def __init__(self, port: int = 0, host: str = HOST) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It logs every request.
        self._address = (host, port)
        self._server = ThreadedMotoServer(host, port, verbose=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve. Raises OSError: the host is not this machine's, or the port is in use."""
        # moto's server raises such an error in its own thread, and waits forever in this one.
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(self._address)
        self._server.start()

    def stop(self) -> None:
        """End it, and all that it holds."""
        self._server.stop()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which any AWS SDK finds it."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL_S3": self.url}

    def client(self) -> Any:
        """A boto3 client of it."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def make_buckets(self, names: Iterable[str]) -> None:
        """Make buckets. One that is there already stays as it is."""
        client = self.client()
        for name in names:
            client.create_bucket(Bucket=name)
        client.close()

    def fill(self, bucket: str, prefix: str, files: Mapping[str, bytes]) -> str:
        """Put ``files``, by name, below ``prefix``; returns the prefix's ``s3://`` address."""
        self.make_buckets([bucket])
        client = self.client()
        for name, data in files.items():
            client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=data)
        client.close()
        return f"s3://{bucket}/{prefix}"

    def fill_from(self, bucket: str, prefix: str, folder: Path) -> str:
        """``fill`` with the files in ``folder``."""
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        return self.fill(bucket, prefix, files)
