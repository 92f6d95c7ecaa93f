from pathlib import Path

from wit_builder.segments import read_segment, read_segments, write_segments


def test_a_reader_takes_its_segment_of_every_file(tmp_path: Path) -> None:
    contents = [[b"", b"one", b"two" * 1_000], [b"ONE", b"", b""]]
    names = [str(tmp_path / f"{index}.segments") for index in range(2)]
    for name, segments in zip(names, contents, strict=True):
        write_segments(name, segments)
    for index in range(3):
        assert list(read_segments(names, index)) == [segments[index] for segments in contents]
    assert read_segment(names[0], 2) == b"two" * 1_000
