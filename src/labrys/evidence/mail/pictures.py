"""Reads the QR codes in pictures, where the extra `[mail]` is installed (ISO/IEC 18004).

Without it pictures are attachments like others, and nothing is said about what they show.
"""

import io
import warnings
from functools import cache
from typing import Any, Final

MOST: Final = 4
"""Pictures of one message that are looked at."""
_SMALLEST, _LARGEST = 400, 8 << 20
_SIDES: Final = (40, 5_000)
_MOST_PIXELS: Final = 16 << 20


def codes(content: bytes) -> list[str]:
    """What the QR codes in a picture say. Never raises."""
    readers = _readers()
    if readers is None or not _SMALLEST <= len(content) <= _LARGEST:
        return []
    image, barcodes = readers
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of pictures that unpack to far more than they are
            with image.open(io.BytesIO(content)) as picture:
                width, height = picture.size
                if not all(_SIDES[0] <= side <= _SIDES[1] for side in (width, height)):
                    return []
                if width * height > _MOST_PIXELS:
                    return []
                found = barcodes.read_barcodes(picture.convert("L"))
    except MemoryError:
        raise
    except Exception:  # whatever a broken picture makes the decoders raise
        return []
    return [one.text[:4096] for one in found if one.text]


@cache
def _readers() -> tuple[Any, Any] | None:
    try:
        import zxingcpp
        from PIL import Image
    except ImportError:
        return None
    return Image, zxingcpp
