"""Writes the kept corpus, tests/fuzz/corpus/: a small input for each way through the code.

    python tests/fuzz/make_corpus.py

Run it again when a way is added; an input that a fuzzer found goes beside these by hand, under
a name that says what it shows.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import images  # noqa: E402  (found through the path above)

URL = "https://a.example/cat.jpg"
PIXEL = "iVBORw0KGgo="


def rest(method: str, path: str, **members: Any) -> dict[str, Any]:
    """An event of API Gateway REST."""
    context = {"requestId": "r", "stage": "Prod"}
    base = {"resource": path, "path": path, "httpMethod": method, "requestContext": context}
    return base | {"headers": {}, "body": None, "isBase64Encoded": False} | members


def http(method: str, path: str, **members: Any) -> dict[str, Any]:
    """An event of API Gateway HTTP or of a function URL."""
    context = {"requestId": "r", "stage": "$default", "http": {"method": method, "path": path}}
    base = {"version": "2.0", "rawPath": path, "rawQueryString": "", "requestContext": context}
    return base | {"headers": {}, "isBase64Encoded": False} | members


def posted(body: Any) -> dict[str, Any]:
    return http(
        "POST", "/predict", body=json.dumps(body), headers={"content-type": "application/json"}
    )


def events() -> dict[str, bytes]:
    both = {"url": URL, "top_k": "3", "min_probability": "0.25"}
    image = {"content-type": "image/png"}
    requests = {
        "rest-get": rest("GET", "/predict", queryStringParameters=both),
        "rest-get-many-values": rest(
            "GET", "/predict", multiValueQueryStringParameters={"url": [URL, URL]}
        ),
        "rest-post-json": rest(
            "POST",
            "/predict",
            headers={"Content-Type": "application/json; charset=utf-8"},
            body=json.dumps({"image": PIXEL, "top_k": 100}),
        ),
        "rest-post-image": rest(
            "POST", "/predict", headers=image, body=PIXEL, isBase64Encoded=True
        ),
        "rest-query-of-wrong-types": rest(
            "GET", "/predict", queryStringParameters={"url": 1, "top_k": [2]}
        ),
        "rest-custom-domain": rest("GET", "/v1/predict/", resource="/predict"),
        "http-get": http("GET", "/predict", rawQueryString=f"url={URL}&top_k=1"),
        "http-get-stage": http("GET", "/Prod/health", requestContext={
            "stage": "Prod", "http": {"method": "GET"}, "requestId": "r"}),
        "http-post-image": http(
            "POST", "/predict", headers=image, body=PIXEL, isBase64Encoded=True,
            rawQueryString="top_k=2&min_probability=1e-3",
        ),
        "http-post-base64-json": http(
            "POST", "/predict", headers={"content-type": "application/json"}, isBase64Encoded=True,
            body=base64.b64encode(json.dumps({"url": URL}).encode()).decode(),
        ),
        "http-bad-base64": http("POST", "/predict", headers=image, body="*", isBase64Encoded=True),
        "http-other-type": http("POST", "/predict", headers={"content-type": "text/csv"}, body="a"),
        "options": http("OPTIONS", "/predict"),
        "health": rest("GET", "/health"),
        "json-url": posted({"url": URL, "min_probability": 0.5}),
        "json-s3": posted({"url": "s3://bucket/key.jpg"}),
        "json-many": posted({"images": [{"url": URL}, {"image": PIXEL, "top_k": 7}], "top_k": 2}),
        "json-seventeen": posted({"images": [{"url": URL}] * 17}),
        "json-both": posted({"url": URL, "image": PIXEL}),
        "json-unknown": posted({"uri": URL}),
        "json-wrong-types": posted({"url": 1, "top_k": "5", "min_probability": None}),
        "json-no-object": posted([URL]),
        "json-surrogate": posted({"url": "\ud800"}),
        "http-api-payload-1": rest(
            "GET", "/prod/predict", resource="/{proxy+}", version="1.0",
            queryStringParameters={"url": URL}, pathParameters={"proxy": "predict"},
        ),
        "load-balancer": {
            "requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/predict",
            "multiValueQueryStringParameters": {"url": ["https%3A%2F%2Fa.example"]},
            "multiValueHeaders": {"x-amzn-trace-id": ["Root=1"]},
        },
        "form": rest(
            "POST", "/predict", isBase64Encoded=True,
            headers={"content-type": "multipart/form-data; boundary=XX"},
            body=base64.b64encode(form(FILE, OPTION)).decode(),
        ),
        "octet-stream": rest(
            "POST", "/predict", headers={"content-type": "application/octet-stream"},
            body=PIXEL, isBase64Encoded=True,
        ),
        "huggingface": rest(
            "POST", "/huggingface", headers={"content-type": "application/json"},
            body=json.dumps({"inputs": PIXEL, "parameters": {"top_k": 2}}),
        ),
        "huggingface-image": rest(
            "POST", "/huggingface", headers=image, body=PIXEL, isBase64Encoded=True
        ),
        "head": rest("HEAD", "/health"),
        "not-an-event": {"Records": []},
    }  # fmt: skip
    return {f"{name}.json": json.dumps(event).encode() for name, event in requests.items()}


FILE = b'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG'
OPTION = b'name="top_k"\r\n\r\n3'


def form(*parts: bytes, end: bytes = b"--XX--\r\n") -> bytes:
    """A body of multipart/form-data with the boundary XX."""
    head = b"--XX\r\nContent-Disposition: form-data; "
    return b"".join(head + part + b"\r\n" for part in parts) + end


def forms() -> dict[str, bytes]:
    return {
        "file": form(FILE),
        "file-and-option": form(FILE, OPTION),
        "unused-input": form(b'name="f"; filename=""\r\n\r\n'),
        "two-files": form(FILE, FILE),
        "encoded-name": form(b"name=f; filename*=utf-8''%e2%82%ac\r\n\r\na"),
        "no-end": form(FILE, end=b""),
        "many-parts": form(*[OPTION] * 50),
        "no-form": b"url=https://a.example",
        "empty": b"",
    }


def image_files() -> dict[str, bytes]:
    photo = images.photograph(24, 16)
    grey, palette = photo.convert("L"), photo.convert("P")
    translucent = photo.copy()
    translucent.putalpha(grey)
    exif, shade = images.exif(6), {"transparency": 120}
    frames = {"save_all": True, "append_images": [palette]}
    jpeg = images.encode(photo, "JPEG", quality=40)
    progressive = images.encode(photo, "JPEG", quality=40, progressive=True)
    restarts = images.encode(photo, "JPEG", quality=40, restart_marker_blocks=1)
    png = images.encode(photo, "PNG")
    deep = np.random.default_rng(0).integers(0, 65536, (6, 8, 4), np.uint16)
    animated = images.encode(translucent, "WEBP", save_all=True, append_images=[grey], quality=30)
    xmp = images.with_segment(images.with_segment(jpeg, 0xE1, exif), 0xE1, b"XMP")
    return {
        "baseline.jpg": jpeg,
        "progressive.jpg": progressive,
        "restarts.jpg": restarts,
        "turned.jpg": xmp,
        "grey.jpg": images.encode(grey, "JPEG", quality=40),
        "cmyk.jpg": images.encode(photo.convert("CMYK"), "JPEG", quality=40),
        "cut-off.jpg": jpeg[: len(jpeg) // 2],
        "no-end.jpg": jpeg[:-2],
        "no-end-progressive.jpg": progressive[:-2],
        "no-end-restarts.jpg": restarts[:-2],
        "trailer.jpg": jpeg[:-2] + b"SEFH\xff\xe4\x00\x05abc\xff\x42\xff\xd9",
        "scans.jpg": images.jpeg_with_scans(40),
        "fill-bytes.jpg": jpeg[:2] + b"\xff" * 100 + jpeg[3:],
        "stray-bytes.jpg": jpeg[:20] + b"\xff\x00stray" + jpeg[20:],
        "rgb.png": png,
        "palette.png": images.encode(palette, "PNG", transparency=1),
        "palette-alpha.png": images.encode(palette, "PNG", transparency=bytes(range(0, 256, 2))),
        "alpha.png": images.encode(translucent, "PNG"),
        "grey-alpha.png": images.encode(translucent.convert("LA"), "PNG"),
        "shade.png": images.encode(grey, "PNG", **shade),
        "one-bit.png": images.encode(photo.convert("1"), "PNG"),
        "sixteen-bits.png": images.png_of(deep[..., :3]),
        "sixteen-bits-alpha.png": images.png_of(deep),
        "interlaced.png": images.png_of(deep, interlaced=True),
        "turned.png": images.encode(grey, "PNG", exif=exif),
        "animated.png": images.encode(palette, "PNG", **frames),
        "no-end.png": png[:-12],
        "bogus-length.png": images.png_with_bogus_length(),
        "bogus-size.png": images.png_with_bogus_size(60000, 60000),
        "lossy.webp": images.encode(photo, "WEBP", quality=30),
        "lossless.webp": images.encode(palette.convert("RGB"), "WEBP", lossless=True),
        "alpha.webp": images.encode(translucent, "WEBP", quality=30),
        "turned.webp": images.encode(photo, "WEBP", quality=30, exif=exif),
        "animated.webp": animated,
        "no-image.webp": images.webp_header(b"ICCP", bytes(10)),
        "other.gif": b"GIF89a\x01\0\x01\0\0\0\0;",
        "other.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "page.html": b"<!doctype html><title>a</title>",
        "empty": b"",
    }


def main() -> None:
    for name, inputs in {
        "events": events(),
        "forms": forms(),
        "headers": image_files(),
        "images": image_files(),
    }.items():
        folder = HERE / "corpus" / name
        folder.mkdir(parents=True, exist_ok=True)
        for filename, data in inputs.items():
            (folder / filename).write_bytes(data)


if __name__ == "__main__":
    main()
