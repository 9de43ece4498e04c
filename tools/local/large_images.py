"""Images that are too large for a request go through the local S3, as a batch reads them.

Only `make run` has this route. `scripts/batch.py local` uses it.
"""

import json
from urllib.parse import quote
from uuid import uuid4

from flask import Flask, Response, request

from tools.local.gateway import call
from tools.local.pool import Pool
from tools.local.ports import LARGE_IMAGE_PATH
from tools.local.s3 import LocalS3

BUCKET = "large-images"
_MAX_BYTES = 256 * 1024 * 1024


def add_route(app: Flask, s3: LocalS3, pool: Pool) -> None:
    """Add ``POST /large-image``: the image is the body, of any type; options stand in the query.

    Its response has the form of the function's own: ``{"statusCode": …, "body": …}``.
    """
    s3.make_buckets([BUCKET])
    client = s3.client()

    @app.post(LARGE_IMAGE_PATH)
    def _classify() -> Response:
        request.max_content_length = _MAX_BYTES
        key = str(uuid4())
        client.put_object(Bucket=BUCKET, Key=key, Body=request.get_data())
        try:
            return Response(call(pool, _event(key)), mimetype="application/json")
        finally:
            client.delete_object(Bucket=BUCKET, Key=key)


def _event(key: str) -> bytes:
    address = quote(f"s3://{BUCKET}/{key}", safe="")
    options = request.query_string.decode()
    event = {
        "version": "2.0",
        "rawPath": "/predict",
        "rawQueryString": f"url={address}&{options}".rstrip("&"),
        "requestContext": {"requestId": key, "http": {"method": "GET"}},
    }
    return json.dumps(event).encode()
