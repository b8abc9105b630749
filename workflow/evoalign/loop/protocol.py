"""Messages between server and display: msgpack maps with a version, documented in docs/loop.md.

The display's client asks and the server answers. Every message may be lost, come
twice or late: presentations have numbers without gaps, the server answers with the
number that it expects next, and the client sends again from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack

from evoalign.errors import InputError
from evoalign.loop.interfaces import Presentation, Round, ToShow

VERSION = 1
Message = dict[str, Any]

# Kind of message -> its fields and their types, beside `version`, `kind` and `id`: a number of the
# client's for each question, which the answer repeats, so that an answer that comes late is known.
FROM_CLIENT: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "ask": {"shown": int},
    "shown": {"presentation": dict},
    "round_end": {"block": int, "round": int, "shown": int},
}
FROM_SERVER: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "show": {
        "block": int,
        "round": int,
        "first": int,
        "next": int,
        "images": list,
        "before": (dict, type(None)),
    },
    "next": {"next": int},
    "end": {"next": int},
}
_PRESENTATION: Mapping[str, type | tuple[type, ...]] = {
    "number": int,
    "name": str,
    "block": int,
    "round": int,
    "trial": int,
    "onset_word": int,
    "offset_word": int,
    "onset_s": float,
    "offset_s": (float, type(None)),
}


def encode(kind: str, question: int, **fields: Any) -> bytes:
    """Return a message as bytes; `question` is its `id`."""
    return bytes(msgpack.packb({"version": VERSION, "kind": kind, "id": question, **fields}))


def decode(content: bytes, kinds: Mapping[str, Mapping[str, type | tuple[type, ...]]]) -> Message:
    """Return a message whose version, kind and fields were checked.

    Raises
    ------
    InputError
        It is not msgpack, of another version or an unknown kind, or a field is missing or of a wrong type.
    """
    try:
        message = msgpack.unpackb(content)
    except Exception as error:  # the library raises many kinds, ValueError among them
        raise InputError(f"a message is no msgpack: {error}", "display") from None
    if not isinstance(message, dict) or message.get("version") != VERSION:
        version = message.get("version") if isinstance(message, dict) else None
        raise InputError(
            f"a message has version {version}, this is version {VERSION}",
            "display",
            "use server and client of one version",
        )
    fields = kinds.get(str(message.get("kind")))
    if fields is None:
        raise InputError(f"a message has the unknown kind {message.get('kind')!r}", "display")
    check_fields(message, {"id": int, **fields}, f"message '{message['kind']}'")
    return message


def check_fields(
    values: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]], where: str
) -> None:
    """Raise an InputError unless all fields are there and of their types."""
    for name, kind in fields.items():
        if name not in values or not isinstance(values[name], kind) or isinstance(values[name], bool):
            raise InputError(f"field '{name}' is {values.get(name)!r}", where, "see docs/loop.md")


def to_presentation(fields: Mapping[str, Any]) -> Presentation:
    """Return a presentation from a message's map.

    Raises
    ------
    InputError
        A field is missing, of a wrong type or unknown.
    """
    numbers = {
        name: float(value) for name, value in fields.items() if name.endswith("_s") and value is not None
    }
    fields = {**fields, **numbers}
    check_fields(fields, _PRESENTATION, "message 'shown'")
    if unknown := set(fields) - set(_PRESENTATION):
        raise InputError(f"unknown fields {sorted(unknown)}", "message 'shown'", "see docs/loop.md")
    return Presentation(**fields)


def show_message(request: Round, question: int, next_number: int, before: Presentation | None) -> bytes:
    """Return the message that asks for a round."""
    return encode(
        "show",
        question,
        block=request.block,
        round=request.round,
        first=request.first,
        next=next_number,
        before=None if before is None else before.as_record(),
        images=[
            {"name": image.name, "file": str(image.file.resolve()), "sha256": image.sha256}
            for image in request.images
        ],
    )


def to_round(message: Message) -> Round:
    """Return the round that a `show` message asks for.

    Raises
    ------
    InputError
        An image's file is missing, or not the one that the server wrote.
    """
    images = []
    for image in message["images"]:
        path = Path(image["file"])
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != image["sha256"]:
            raise InputError(
                "the image is missing, or not the one that the server wrote",
                path,
                "let both machines see the same folder",
            )
        images.append(ToShow(image["name"], path, image["sha256"]))
    return Round(message["block"], message["round"], images, message["first"])
