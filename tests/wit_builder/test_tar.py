import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from wit_builder.tar import TarWriter


@given(st.lists(st.binary(max_size=2000), max_size=10))
def test_python_reads_what_is_written_and_offsets_point_at_the_data(contents: list[bytes]) -> None:
    handle = io.BytesIO()
    tar = TarWriter(handle)
    offsets = [tar.add(f"{number}.bin", data) for number, data in enumerate(contents)]
    tar.close()
    written = handle.getvalue()
    assert written.endswith(bytes(1024))
    found = [written[start : start + len(data)] for start, data in zip(offsets, contents, strict=True)]
    assert found == contents
    with tarfile.open(fileobj=io.BytesIO(written)) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [f"{number}.bin" for number in range(len(contents))]
        assert {member.mtime for member in members} <= {0}
        assert [archive.extractfile(member).read() for member in members] == contents  # type: ignore[union-attr]
