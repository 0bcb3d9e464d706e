"""Exports as zips, made while they are sent."""

import io
import zipfile

from synthstudio.ui.api import exports


def test_a_folder_becomes_a_zip_of_the_length_that_was_told_and_links_are_left_out(tmp_path):
    folder = tmp_path / "my cats"
    (folder / "häuser").mkdir(parents=True)
    (folder / "häuser" / "1.png").write_bytes(bytes(range(256)) * 5000)
    (folder / "README.md").write_text("a card")
    (tmp_path / "secret").write_text("not exported")
    (folder / "link").symlink_to(tmp_path / "secret")
    stream = exports.zipped(folder)
    told = len(stream)
    data = b"".join(stream)
    assert len(data) == told
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {"my cats/README.md", "my cats/häuser/1.png"}
        assert archive.read("my cats/häuser/1.png") == bytes(range(256)) * 5000
