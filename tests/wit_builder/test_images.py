import io
import zlib
from typing import Any

import cv2
import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from wit_builder.errors import UserError
from wit_builder.images import ImageError, ImageFailure, ImageOptions, ProcessedImage, process_image


def picture(width: int, height: int) -> Image.Image:
    """Give a smooth image with a different colour in each corner."""
    corners = Image.new("RGB", (2, 2))
    corners.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
    return corners.resize((width, height), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, kind: str = "PNG", **parameters: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **parameters)
    return file.getvalue()


def processed(data: bytes, **changes: Any) -> ProcessedImage:
    result = process_image(data, ImageOptions(**changes))
    assert isinstance(result, ProcessedImage), result
    return result


def failure(data: bytes, **changes: Any) -> ImageError:
    result = process_image(data, ImageOptions(**changes))
    assert isinstance(result, ImageFailure), result
    return result.error


def decoded(result: ProcessedImage) -> Image.Image:
    return Image.open(io.BytesIO(result.data)).convert("RGB")


LOSSLESS: dict[str, Any] = {"encode_format": "png", "encode_quality": 1}


@pytest.mark.parametrize(
    ("mode", "only_if_bigger", "source", "size"),
    [
        ("no", False, (300, 200), (300, 200)),
        ("keep_ratio", False, (300, 200), (96, 64)),
        ("keep_ratio", False, (30, 20), (96, 64)),
        ("keep_ratio", True, (30, 20), (30, 20)),
        ("keep_ratio", True, (65, 64), (65, 64)),
        ("keep_ratio", True, (300, 64), (300, 64)),
        ("keep_ratio_largest", False, (300, 200), (64, 43)),
        ("keep_ratio_largest", True, (60, 20), (60, 20)),
        ("keep_ratio_largest", True, (20, 300), (4, 64)),
        ("center_crop", False, (300, 200), (64, 64)),
        ("center_crop", False, (30, 20), (64, 64)),
        ("center_crop", True, (300, 64), (300, 64)),  # img2dataset: not bigger, so left as it is
        ("border", False, (300, 200), (64, 64)),
        ("border", False, (20, 30), (64, 64)),
        ("border", True, (20, 30), (20, 30)),
        ("keep_ratio", False, (201, 134), (96, 64)),
        ("keep_ratio", False, (1000, 3), (21333, 64)),
    ],
)
def test_modes_mean_what_img2dataset_means(
    mode: str, only_if_bigger: bool, source: tuple[int, int], size: tuple[int, int]
) -> None:
    data = encoded(picture(*source))
    changes = {"image_size": 64, "resize_mode": mode, "resize_only_if_bigger": only_if_bigger, **LOSSLESS}
    ours = processed(data, **changes)
    theirs = processed(data, backend="img2dataset", **changes)
    assert (ours.width, ours.height) == (theirs.width, theirs.height) == size == decoded(ours).size
    assert (ours.original_width, ours.original_height) == source
    assert (theirs.original_width, theirs.original_height) == source


@pytest.mark.parametrize("mode", ["no", "keep_ratio", "keep_ratio_largest", "center_crop"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pixels_are_close_to_img2datasets(mode: str, kind: str) -> None:
    data = encoded(picture(517, 389), kind)
    changes = {"image_size": 64, "resize_mode": mode, **LOSSLESS}
    ours = np.asarray(decoded(processed(data, **changes)), np.int32)
    theirs = np.asarray(decoded(processed(data, backend="img2dataset", **changes)), np.int32)
    assert np.abs(ours - theirs).max() <= 6


def test_a_border_is_white() -> None:
    result = decoded(processed(encoded(picture(200, 100)), resize_mode="border", image_size=64, **LOSSLESS))
    assert result.getpixel((32, 0)) == result.getpixel((32, 63)) == (255, 255, 255)
    assert result.getpixel((0, 32)) != (255, 255, 255)


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = picture(80, 40)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[turn]) if turn in undo else upright
    result = processed(encoded(stored, exif=exif), image_size=40, resize_only_if_bigger=False, **LOSSLESS)
    assert (result.width, result.height, result.original_width) == (80, 40, 80)
    assert np.array_equal(np.asarray(decoded(result)), np.asarray(upright))


def test_a_turned_jpeg_is_shrunk_to_the_right_side() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    result = processed(encoded(picture(1200, 900), "JPEG", exif=exif), image_size=100)
    assert (result.width, result.height) == (100, 133)
    assert (result.original_width, result.original_height) == (900, 1200)


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    half = Image.new("LA", (8, 8), (0, 128))
    palette = Image.new("P", (8, 8))
    palette.putpalette([0, 0, 255])
    assert decoded(processed(encoded(clear), **LOSSLESS)).getpixel((4, 4)) == (255, 255, 255)
    assert decoded(processed(encoded(half), **LOSSLESS)).getpixel((4, 4)) == (127, 127, 127)
    assert decoded(processed(encoded(palette, transparency=0), **LOSSLESS)).getpixel((4, 4)) == (255,) * 3
    assert decoded(processed(encoded(palette), **LOSSLESS)).getpixel((4, 4)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("image", "kind", "colour"),
    [
        (Image.new("1", (8, 8), 1), "PNG", (255, 255, 255)),
        (Image.new("L", (8, 8), 77), "PNG", (77, 77, 77)),
        (Image.new("L", (8, 8), 77), "GIF", (77, 77, 77)),
        (Image.new("RGB", (8, 8), (1, 2, 3)), "BMP", (1, 2, 3)),
        (Image.new("RGB", (8, 8), (1, 2, 3)), "TIFF", (1, 2, 3)),
        (Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF", (0, 255, 255)),
        (Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", (0, 255, 255)),
        (Image.fromarray(np.full((8, 8), 0x8040, np.uint16)), "PNG", (128, 128, 128)),
        (Image.fromarray(np.full((8, 8), 0x8040, np.uint16)), "TIFF", (128, 128, 128)),
    ],
)
def test_every_mode_has_its_colour(image: Image.Image, kind: str, colour: tuple[int, int, int]) -> None:
    got = np.asarray(decoded(processed(encoded(image, kind), **LOSSLESS)), np.int32)[4, 4]
    assert np.abs(got - colour).max() <= 2


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((200, 0, 0), (0, 200, 0))]
    for kind, parameters in (("GIF", {}), ("WEBP", {"lossless": True})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **parameters)
        assert decoded(processed(data, **LOSSLESS)).getpixel((4, 4)) == (200, 0, 0)


def png_header(width: int, height: int) -> bytes:
    """Give a PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


JPEG = encoded(picture(300, 200), "JPEG")


@pytest.mark.parametrize(
    ("data", "changes", "error"),
    [
        (b"", {}, ImageError.NOT_AN_IMAGE),
        (b"<html></html>", {}, ImageError.NOT_AN_IMAGE),
        (JPEG[:10], {}, ImageError.NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {}, ImageError.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x1cftypavif", {}, ImageError.UNSUPPORTED_FORMAT),
        (encoded(picture(8, 8), "ICO"), {}, ImageError.UNSUPPORTED_FORMAT),
        (encoded(picture(8, 8), "EPS"), {}, ImageError.NOT_AN_IMAGE),
        (encoded(Image.new("F", (8, 8)), "TIFF"), {}, ImageError.UNSUPPORTED_FORMAT),
        (png_header(30_000, 30_000), {}, ImageError.TOO_MANY_PIXELS),
        (png_header(17_321, 17_321), {}, ImageError.TOO_MANY_PIXELS),
        (png_header(100, 100), {}, ImageError.DECODE_FAILED),
        (png_header(0, 0), {}, ImageError.NOT_AN_IMAGE),
        (JPEG, {"max_pixels": 59_999}, ImageError.TOO_MANY_PIXELS),
        (JPEG, {"min_image_size": 201}, ImageError.TOO_SMALL),
        (JPEG, {"max_aspect_ratio": 1.49}, ImageError.ASPECT_RATIO),
        (JPEG, {"max_image_area": 59_999.0}, ImageError.IMAGE_AREA),
        (JPEG[: len(JPEG) // 2], {}, ImageError.DECODE_FAILED),
        (encoded(picture(300, 200))[:200], {}, ImageError.DECODE_FAILED),
        (
            encoded(picture(9_000, 1)),
            {"resize_only_if_bigger": False},
            ImageError.ASPECT_RATIO,  # 2,304,000 by 256
        ),
        (
            encoded(picture(20_000, 2)),
            {"resize_mode": "no", "encode_format": "webp"},
            ImageError.ENCODE_FAILED,
        ),
    ],
)
def test_what_is_no_image_has_a_word(data: bytes, changes: dict[str, Any], error: ImageError) -> None:
    assert failure(data, **changes) == error


def test_limits_are_inclusive() -> None:
    processed(JPEG, max_pixels=60_000, min_image_size=200, max_aspect_ratio=1.5)


def test_hashes_are_of_the_original_bytes_and_of_the_resized_pixels() -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((400, 300))
    result = processed(encoded(noise), **LOSSLESS)
    bits, quality = pdqhash.compute(np.asarray(decoded(result)))
    assert result.phash == f"{int(''.join(map(str, bits)), 2):064x}"
    assert result.phash_quality == quality == 100
    assert result.sha256 != processed(encoded(noise, "JPEG")).sha256


def test_a_flat_image_has_a_hash_of_no_quality() -> None:
    assert processed(encoded(Image.new("RGB", (50, 50)))).phash_quality == 0


@pytest.mark.parametrize(("kind", "quality"), [("jpg", 95), ("png", 6), ("webp", 80)])
def test_encoders(kind: str, quality: int) -> None:
    result = processed(JPEG, encode_format=kind, encode_quality=quality)
    assert Image.open(io.BytesIO(result.data)).format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[kind]


def test_the_same_bytes_give_the_same_bytes_whatever_opencv_may_use() -> None:
    data = encoded(picture(1234, 777), "JPEG")
    before = cv2.getNumThreads(), cv2.useOptimized()
    results = set()
    try:
        for threads, optimized in ((1, True), (4, True), (1, False)):
            cv2.setNumThreads(threads)
            cv2.setUseOptimized(optimized)
            for size in (100, 200):
                results.add((size, processed(data, image_size=size).data))
            results.add((900, processed(data, image_size=900, resize_only_if_bigger=False).data))
    finally:
        cv2.setNumThreads(before[0])
        cv2.setUseOptimized(before[1])
    assert len(results) == 3


def photo(width: int, height: int, seed: int = 1) -> Image.Image:
    """Give an image with the spectrum of photos; img2dataset's resizing is 41 dB from Lanczos on it."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    channels = []
    for _ in range(3):
        phase = np.exp(2j * np.pi * rng.random(frequency.shape))
        plane = np.fft.irfft2(phase / frequency**1.2, (height, width))
        channels.append(np.clip(128 + 50 * (plane - plane.mean()) / plane.std(), 0, 255))
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def decibels(a: Image.Image, b: Image.Image) -> float:
    difference = np.asarray(a, float) - np.asarray(b, float)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


@pytest.mark.parametrize("size", [(1280, 960), (1600, 1200), (2304, 1728)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_shrinking_is_within_forty_decibels_of_lanczos(kind: str, size: tuple[int, int]) -> None:
    parameters: dict[str, Any] = {"quality": 90} if kind == "JPEG" else {"compress_level": 1}
    data = encoded(photo(*size), kind, **parameters)
    got = decoded(processed(data, **LOSSLESS))
    best = Image.open(io.BytesIO(data)).resize((341, 256), Image.Resampling.LANCZOS)
    assert decibels(got, best) >= 40


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_an_image_shrunk_while_it_is_read_is_the_same(
    mode: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(1283, 967)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    parameters: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(image.convert(mode), kind, **parameters)
    whole = decoded(processed(data, image_size=100, **LOSSLESS))
    monkeypatch.setattr("wit_builder.decode.LARGE", 1_000)
    assert decibels(decoded(processed(data, image_size=100, **LOSSLESS)), whole) > 40


def swapped_profile() -> bytes:
    """Give a profile whose red and green primaries are those of sRGB, swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return (
        profile.replace(b"rXYZ", b"tmpX")
        .replace(b"gXYZ", b"rXYZ")
        .replace(b"tmpX", b"gXYZ")
        .replace("sRGB".encode("utf-16-be"), "gRBs".encode("utf-16-be"))
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_colour_profile_is_applied(kind: str) -> None:
    red = Image.new("RGB", (16, 16), (250, 0, 0))
    got = decoded(processed(encoded(red, kind, icc_profile=swapped_profile()), **LOSSLESS)).getpixel((8, 8))
    assert isinstance(got, tuple)
    assert np.abs(np.subtract(got, (0, 250, 0))).max() <= 4
    broken = swapped_profile()[:200]
    assert decoded(processed(encoded(red, "PNG", icc_profile=broken), **LOSSLESS)).getpixel((8, 8)) == (
        250,
        0,
        0,
    )


def test_exif_is_kept_if_asked_for_without_the_place() -> None:
    exif = Image.Exif()
    exif[0x0110] = "Camera 3\0"
    exif[0x8825] = {1: "N", 2: (52.0, 0.0, 0.0)}
    data = encoded(picture(40, 30), "JPEG", exif=exif)
    assert processed(data, keep_exif=True).exif == '{"Model": "Camera 3"}'
    assert processed(data).exif is None
    assert processed(JPEG, keep_exif=True).exif is None


SVG = (
    b"<svg xmlns='http://www.w3.org/2000/svg' width='60' height='30'>"
    b"<rect width='60' height='30' fill='#0f0'/>"
)


def test_svg_is_drawn_by_option_only() -> None:
    assert failure(SVG + b"</svg>") == ImageError.UNSUPPORTED_FORMAT
    result = processed(b"\xef\xbb\xbf" + SVG + b"</svg>", rasterize_svg=True, **LOSSLESS)
    assert (result.original_width, result.original_height) == (60, 30)
    assert decoded(result).getpixel((30, 15)) == (0, 255, 0)


@pytest.mark.parametrize(
    "inside",
    [
        b"<image href='file:///etc/passwd'/>",
        b'<image xlink:href="/tmp/a.png"/>',
        b"<style>@import url(http://host/a.css);</style>",
        b"<rect style='fill:url(http://host/a)'/>",
        b"<script>1</script>",
    ],
)
def test_svg_that_looks_outside_itself_is_refused(inside: bytes) -> None:
    assert failure(SVG + inside + b"</svg>", rasterize_svg=True) == ImageError.UNSUPPORTED_FORMAT
    bomb = b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG + b"</svg>"
    assert failure(bomb, rasterize_svg=True) == ImageError.UNSUPPORTED_FORMAT


SOURCES = [
    encoded(picture(40, 30), "JPEG"),
    encoded(picture(40, 30), "JPEG", progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    encoded(picture(40, 30), "PNG"),
    encoded(picture(40, 30).quantize(16), "PNG"),
    encoded(picture(40, 30), "WEBP"),
    encoded(picture(40, 30), "GIF"),
    encoded(picture(40, 30), "BMP"),
    encoded(picture(40, 30), "TIFF", compression="tiff_lzw"),
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SOURCES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_no_bytes_are_an_error(source: bytes, changes: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(source[: int(len(source) * keep) + 1])
    for place, value in changes:
        data[int(place * len(data))] = value
    result = process_image(bytes(data), ImageOptions(image_size=16, max_pixels=1_000_000))
    assert isinstance(result, ProcessedImage | ImageFailure)


@given(st.binary(max_size=500))
def test_random_bytes_are_no_image(data: bytes) -> None:
    assert isinstance(process_image(data, ImageOptions()), ImageFailure)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resize_mode": "crop"}, "resize_mode is 'crop'; choose one of no, keep_ratio"),
        ({"encode_format": "jpeg"}, "encode_format is 'jpeg'; choose one of jpg, png, webp"),
        ({"encode_format": "png"}, "encode_quality is 95; png takes 0 to 9"),
        ({"backend": "pil"}, "backend is 'pil'; choose one of opencv, img2dataset"),
        ({"image_size": 0}, "image_size is 0; give 1 or more"),
    ],
)
def test_a_wrong_option_is_named_with_the_right_ones(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageOptions(**changes)
