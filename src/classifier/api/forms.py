"""Forms: files and fields of a ``multipart/form-data`` body (RFC 7578). No I/O."""

from dataclasses import dataclass

from classifier.errors import InvalidRequest

# Files and options of the largest request, and as many parts again for empty file inputs.
_MAX_PARTS = 40
_MAX_FIELD_BYTES = 1000


@dataclass(frozen=True)
class Form:
    """A form's files, and its other fields as (name, value) pairs, both in order."""

    files: tuple[bytes, ...]
    fields: tuple[tuple[str, str], ...]


def parse_form(content_type: str, body: bytes) -> Form:
    """The form in ``body``. A part with a file name is a file, whatever its field is called.

    Browsers send a file input that nobody used as an empty file without a name. It is skipped.

    Args:
        content_type: The header, with the boundary.
        body: Of the request.

    Raises:
        InvalidRequest: the body is no form, is cut off, or has too many parts.
    """
    # Imported here: 25 ms that only forms pay.
    from multipart import (  # noqa: PLC0415
        MultipartError,
        MultipartSegment,
        ParserLimitReached,
        PushMultipartParser,
        parse_options_header,
    )

    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise InvalidRequest("The content type of a form should name its boundary.")
    parts: list[tuple[MultipartSegment, bytearray]] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    parts.append((event, bytearray()))
                elif event:
                    parts[-1][1].extend(event)
    except ParserLimitReached as error:
        raise InvalidRequest("The form has too many parts, or too large headers.") from error
    except (MultipartError, ValueError) as error:
        raise InvalidRequest("The body is not a whole and valid form.") from error
    files = [bytes(data) for part, data in parts if part.filename or (_is_file(part) and data)]
    fields = [(part.name, _text(data)) for part, data in parts if not _is_file(part)]
    return Form(tuple(files), tuple(fields))


def _is_file(part: object) -> bool:
    return getattr(part, "filename", None) is not None


def _text(data: bytearray) -> str:
    if len(data) > _MAX_FIELD_BYTES:
        raise InvalidRequest("A field of the form is too long. An image needs a file name.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("A field of the form is not UTF-8.") from error
