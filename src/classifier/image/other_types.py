"""The names of what is sent but not taken, by its first bytes, with what to send instead."""

_SEND = "Send JPEG, PNG or WebP."

# The first bytes, and what they are. The longest come first where one begins another.
_SIGNATURES = (
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF, or a camera's raw file"),
    (b"MM\0*", "TIFF, or a camera's raw file"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"%PDF-", "PDF"),
    (b"\0\0\1\0", "ICO, an icon"),
    (b"\0\0\2\0", "CUR, a mouse pointer"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD, a Photoshop file"),
    (b"\x1a\x45\xdf\xa3", "WebM or Matroska, a video"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "gzip"),
)
# The brands in the first box of an ISO base media file.
_BRANDS = (
    ({b"avif", b"avis"}, "AVIF"),
    (
        {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"},
        "HEIC, as iPhones store photographs",
    ),
    ({b"crx "}, "CR3, a camera's raw file"),
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<!--")
_TEXT_MAX = 1024  # bytes; a comment or a declaration may come before what names the type


def describe_other_type(data: bytes) -> str:
    """What ``data``, which is no JPEG, PNG or WebP, is, and what to send instead."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return f"This is {name}. {_SEND}"
    if data[4:8] == b"ftyp":
        return f"This is {_media(data)}. {_SEND}"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return f"This is BMP. {_SEND}"
    text = data[:_TEXT_MAX].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text and text.startswith(b"<"):
        return f"This is SVG. {_SEND}"
    if text.startswith(_HTML) or (text.startswith(b"<?xml") and b"<html" in text):
        return "The address leads to a web page, not to an image."
    if text.startswith((b"{", b"[")):
        return f"This is JSON, not an image. {_SEND}"
    return f"The bytes are not a JPEG, PNG or WebP image. {_SEND}"


def _media(data: bytes) -> str:
    size = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    return next((name for known, name in _BRANDS if brands & known), "MP4 or QuickTime, a video")
