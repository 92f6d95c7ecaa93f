import io
import os
import signal
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.images import jpeg
from wit_builder.errors import UserError
from wit_builder.images import ImageError, ImageFailure, ImageOptions, ProcessedImage, process_image
from wit_builder.sandbox import DecodeLimits, Decoder


def gif(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "GIF")
    return file.getvalue()


def huge_png(side: int) -> bytes:
    """Give an RGB PNG of side x side pixels, a few hundred kilobytes long."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(b"\0" + b"\x50\xa0\xf0" * side) for _ in range(side)) + packer.flush()
    size = side.to_bytes(4, "big") * 2
    head = chunk(b"IHDR", size + b"\x08\x02\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def error_of(result: ProcessedImage | ImageFailure) -> ImageError:
    assert isinstance(result, ImageFailure)
    return result.error


def test_the_child_gives_what_process_image_gives() -> None:
    options = ImageOptions(image_size=24, keep_exif=True)
    with Decoder(options) as decoder:
        for data in (jpeg(0), b"<html>", jpeg(1), b"", gif(50)):
            assert decoder.process(data) == process_image(data, options)


def test_a_png_of_231_megapixels_takes_little_memory() -> None:
    with Decoder(ImageOptions()) as decoder:
        result = decoder.process(huge_png(15_200))
        assert isinstance(result, ProcessedImage)
        assert (result.width, result.height, result.original_width) == (256, 256, 15_200)
        status = Path(f"/proc/{decoder._child.pid}/status").read_text()  # type: ignore[union-attr]
        assert int(status.partition("VmHWM:")[2].split()[0]) < 300_000  # kB
        middle = Image.open(io.BytesIO(result.data)).convert("RGB").getpixel((128, 128))
    assert middle == pytest.approx((80, 160, 240), abs=2)


@pytest.mark.parametrize(
    ("data", "limits", "changes", "error"),
    [
        (gif(8_000), {"decode_memory": 100}, {}, ImageError.DECODE_MEMORY),
        (huge_png(6_000), {"decode_memory": 100}, {"resize_mode": "no"}, ImageError.DECODE_MEMORY),
        (huge_png(15_200), {"decode_seconds": 0.2}, {}, ImageError.DECODE_TIMEOUT),
    ],
)
def test_an_image_over_a_limit_fails_alone(
    data: bytes, limits: dict[str, Any], changes: dict[str, Any], error: ImageError
) -> None:
    with Decoder(ImageOptions(**changes), DecodeLimits(**limits)) as decoder:
        assert error_of(decoder.process(data)) == error
        assert isinstance(decoder.process(jpeg(0)), ProcessedImage)


def test_a_child_that_dies_costs_one_image() -> None:
    with Decoder(ImageOptions()) as decoder:
        decoder.process(jpeg(0))
        assert decoder._child is not None
        os.kill(decoder._child.pid, signal.SIGKILL)
        assert error_of(decoder.process(jpeg(1))) == ImageError.DECODER_CRASHED
        assert isinstance(decoder.process(jpeg(1)), ProcessedImage)


def test_a_child_that_sleeps_is_ended_by_the_clock() -> None:
    with Decoder(ImageOptions(), DecodeLimits(decode_seconds=0.2)) as decoder:
        decoder.process(jpeg(0))
        assert decoder._child is not None
        os.kill(decoder._child.pid, signal.SIGSTOP)
        assert error_of(decoder.process(jpeg(1))) == ImageError.DECODE_TIMEOUT


def test_the_child_ends_with_its_user() -> None:
    with Decoder(ImageOptions()) as decoder:
        decoder.process(jpeg(0))
        child = decoder._child
        assert child is not None
    assert child.returncode == 0


def test_a_limit_out_of_range_is_named() -> None:
    with pytest.raises(UserError, match="decode_memory is 0; give a number above 0"):
        DecodeLimits(decode_memory=0)
