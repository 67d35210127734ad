"""Which archives are rejected, and that nothing of them is published."""

import io
import os
import tempfile
import zipfile
from dataclasses import replace

import pytest
from zip_builder import Part, build_zip, deflated

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.archive.content import ContentDigest, read_member
from airflow_provider_maestroqa.landing.archive.members import read_members, reject_hidden_archive
from airflow_provider_maestroqa.landing.download.content_detection import is_archive

LINK, FIFO, FOLDER, FILE = 0o120777, 0o010644, 0o040755, 0o100644
MB = 1 << 20


@pytest.fixture(params=["csv.gz", "csv", "zip"])
def rejected(request, land, memory, origin):
    """Land an archive, expect it to be rejected in every format, and return the error."""

    def run(*parts, archive=None, **options):
        origin.body = archive or build_zip(*parts, **options)
        with pytest.raises(MaestroQADataError) as caught:
            land(memory, file_format=request.param)
        assert not memory.fs.find(memory.root)
        return caught.value

    return run


@pytest.fixture
def members(tmp_path):
    """The members that an archive is read to have."""

    def run(archive, **limits):
        path = tmp_path / "archive.zip"
        path.write_bytes(archive)
        fd = os.open(path, os.O_RDONLY)
        try:
            return read_members(fd, len(archive), **{"max_content_bytes": 1 << 40, **limits})
        finally:
            os.close(fd)

    return run


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (b"a.csv", b"a.csv", "same name"),
        (b"a.csv", b"./a.csv", "same name"),
        (b"a.csv", b"A.CSV", "same name"),
        ("\u00e9.csv".encode(), "e\u0301.csv".encode(), "same name"),
        ("stra\u00dfe.csv".encode(), b"STRASSE.csv", "same name"),
        (b"x", b"x/a.csv", "folder of other members as well"),
        (b"x", b"X/y/a.csv", "folder of other members as well"),
    ],
)
def test_two_members_that_clash_are_rejected(rejected, first, second, reason):
    assert reason in rejected(Part(name=first), Part(name=second)).message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": b"../a.csv"}, "leads out of its folder"),
        ({"name": b"x/../../a.csv"}, "leads out of its folder"),
        ({"name": b".."}, "leads out of its folder"),
        ({"name": b"/etc/a.csv"}, "absolute path"),
        ({"name": b"x\\a.csv"}, "backslash"),
        ({"name": b"..\\a.csv"}, "backslash"),
        ({"name": b"C:a.csv"}, "drive letter"),
        ({"name": b"c:/a.csv"}, "drive letter"),
        ({"name": b"a\x00.csv"}, "control characters"),
        ({"name": b"a\n.csv"}, "control characters"),
        ({"name": b"a\x7f.csv"}, "control characters"),
        ({"name": "a\u202e.csv".encode()}, "control characters"),
        ({"name": "a\u2028.csv".encode()}, "control characters"),
        ({"name": b""}, "has no name"),
        ({"name": b"x//a.csv"}, "empty part"),
        ({"name": b"x/."}, "empty part"),
        ({"name": b"."}, "empty part"),
        ({"name": b"./_manifest.json"}, "name of the manifest"),
        ({"name": b"n/" * 32_000 + b"n"}, "path of more than"),
        ({"name": b"n/" * 60 + b"n"}, "path of more than"),
        ({"name": b"nnnnnnnnnnnnnnnnnnnnnnn/" * 40}, "path of more than"),
        ({"name": b"n" * 201}, "more than 200 bytes"),
        ({"name": b"_manifest.json"}, "name of the manifest"),
        ({"name": b"_MANIFEST.json"}, "name of the manifest"),
        ({"name": b"_manifest.json/a.csv"}, "name of the manifest"),
        ({"flags": 1}, "encrypted"),
        ({"flags": 0x41}, "encrypted"),
        ({"method": 99, "packed": b"x"}, "encrypted"),
        ({"method": 12, "packed": b"BZh9"}, "bzip2"),
        ({"method": 14, "packed": b"x"}, "LZMA"),
        ({"method": 77, "packed": b"x"}, "method 77"),
        ({"name": b"folder/", "data": b"x"}, "holds data"),
        ({"data": bytes(65 * MB)}, "200:1"),
    ],
)
def test_a_member_that_has_an_unsafe_name_or_is_no_plain_file_is_rejected(rejected, changes, reason):
    error = rejected(Part(name=b"good.csv"), Part(**changes))
    assert reason in error.message
    assert not error.retryable
    assert "\n" not in error.message
    assert "\u202e" not in error.message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": LINK}, "is a link"),
        ({"mode": FIFO}, "neither a file nor a folder"),
        ({"mode": FOLDER}, "neither a file nor a folder"),
        ({"name": b"x/", "data": b"", "method": 0, "mode": LINK}, "is named like a folder and is none"),
        ({"local_name": b"b.csv"}, "is called 'b.csv' in front of its data"),
        ({"local_method": 0}, "contradict"),
        ({"local_flags": 1}, "contradict"),
        ({"descriptor": True, "size": 1 << 31}, "200:1"),
    ],
)
def test_what_one_altered_byte_can_cause_is_worth_a_retry(rejected, changes, reason):
    error = rejected(Part(name=b"good.csv"), Part(**changes))
    assert reason in error.message
    assert error.retryable


def test_many_small_members_may_not_grow_out_of_all_proportion_together(rejected):
    packed = deflated(bytes(33 * MB))
    assert "200:1" in rejected(*(Part(name=b"%d.csv" % i, packed=packed, size=33 * MB) for i in range(2))).message


def test_what_macos_adds_is_no_data_and_a_dot_is_no_folder(land, memory, origin):
    extras = (b"__MACOSX/._a.csv", b"__MACOSX/", b".DS_Store", b"./")
    folders = {b"__MACOSX/", b"./"}
    origin.body = build_zip(
        Part(name=b"./a.csv"),
        Part(name=b"x/./b.csv"),
        *(Part(name=name, data=b"" if name in folders else b"\0\5", method=0) for name in extras),
    )
    assert [file["name"] for file in land(memory, file_format="csv")["files"]] == ["a.csv", "x/b.csv"]


def test_an_archive_without_files_is_rejected(rejected):
    assert "no files" in rejected().message
    assert "no files" in rejected(Part(name=b"x/", data=b"", method=0), Part(name=b"y/", data=b"", method=0)).message


def test_overlapping_members_are_rejected(rejected):
    # Two names for the same bytes, as archives are made that unpack to far more than they hold.
    archive = build_zip(Part(name=b"a.csv"), Part(name=b"a.csv", offset=0, packed=b"", size=4, crc32=0))
    assert "in front of its data" in rejected(archive=archive).message
    inner = build_zip(Part(name=b"b.csv", data=b"inner\n"))[:-60]
    quoted = build_zip(Part(name=b"a.csv", data=inner, method=0), Part(name=b"b.csv", data=b"inner\n", offset=35))
    assert "overlaps" in rejected(archive=quoted).message


def test_a_member_that_the_directory_does_not_list_is_rejected(rejected):
    assert "does not list" in rejected(Part(), Part(name=b"b.csv", listed=False)).message
    hidden = build_zip(Part(descriptor=True), Part(name=b"b.csv", listed=False), Part(name=b"c.csv"))
    assert "does not list" in rejected(archive=hidden).message


def test_bytes_in_front_of_an_archive_are_rejected(rejected):
    assert "stands in front of it" in rejected(Part(), before=b"#!/bin/sh\n").message
    assert "stands in front of it" in rejected(archive=b"MZ stub" + build_zip(Part())).message
    two = build_zip(Part()) + build_zip(Part(name=b"b.csv"))
    assert rejected(archive=two).retryable


@pytest.mark.parametrize("behind", [b"\n", b"\0" * 100, b"PK\x05\x06"])
def test_bytes_behind_an_archive_are_rejected(rejected, behind):
    error = rejected(Part(), behind=behind)
    assert "damaged" in error.message
    assert error.retryable


def test_an_archive_cut_off_anywhere_is_rejected(land, memory, origin):
    whole = build_zip(Part(), Part(name=b"b.csv", data=b"h\n" * 50), comment=b"made by hand")
    for length in range(4, len(whole)):
        origin.body = whole[:length]
        with pytest.raises(MaestroQADataError) as caught:
            land(memory)
        assert caught.value.retryable
    assert not memory.fs.find(memory.root)


@pytest.mark.parametrize("mask", [0x55, 0x01, 0x20, 0x80, 0xFF])
@pytest.mark.parametrize("descriptor", [False, True])
def test_an_archive_with_any_byte_altered_is_retried_or_gives_the_same_content(engine, mask, descriptor):
    data = b"header\n" + b"some text, some more\n" * 20
    parts = [Part(data=data, descriptor=descriptor, mode=FILE), Part(name=b"x/b.csv", data=b"x\n", method=0)]
    whole, survived, for_good = build_zip(*parts), 0, {}
    for at in range(len(whole)):
        archive = whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :]
        try:
            assert contents(archive, engine) == [data, b"x\n"]
            survived += 1
        except MaestroQADataError as error:
            for_good |= {} if error.retryable else {at: error.message}
    assert not for_good
    # Times, versions, and attributes may differ; nothing else.
    assert survived < len(whole) // 3


def contents(archive, engine):
    """What a landing makes of an archive, without the rest of it."""
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(archive)
        if not is_archive(archive):
            reject_hidden_archive(file.fileno(), len(archive))
        return [
            b"".join(read_member(file.fileno(), member, engine, ContentDigest(engine, count_rows=False)))
            for member in read_members(file.fileno(), len(archive), max_content_bytes=1 << 40)
        ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"crc32": 1}, "checksum is wrong"),
        ({"size": 3}, "more than the 3 bytes"),
        ({"size": 5}, "declares 5"),
        ({"packed": b"\xff\xff\xff\xff"}, "cannot be inflated"),
        ({"packed": b"", "size": 4}, "cut off"),
        ({"method": 0, "size": 9}, "two sizes differ"),
        ({"local_crc32": 7}, "in front of its data"),
    ],
)
def test_a_member_whose_content_is_not_what_it_declares_is_rejected(rejected, changes, reason):
    assert reason in rejected(Part(name=b"good.csv"), Part(**changes)).message


def test_data_behind_the_end_of_a_member_s_stream_is_rejected(rejected):
    error = rejected(Part(packed=deflated(b"h\n1\n") + b"trailing"))
    assert "continues behind its end" in error.message
    error = rejected(Part(packed=deflated(b"h\n1\n") + b"x" * 1_000_000))
    assert "continues behind its end" in error.message


def test_a_small_member_may_have_any_ratio(land, memory, origin):
    origin.body = build_zip(Part(data=bytes(8 * MB)))
    assert land(memory)["files"][0]["content_bytes"] == 8 * MB


def test_a_member_that_grows_beyond_its_declaration_is_rejected_at_once(land, memory, origin, engine):
    made = []
    inflater = engine.inflater

    class Counting:
        def __init__(self):
            self.real = inflater()

        def __getattr__(self, name):
            return getattr(self.real, name)

        def decompress(self, data, most):
            block = self.real.decompress(data, most)
            made.append(len(block))
            return block

    origin.body = build_zip(Part(data=bytes(60 * MB), size=1000))
    with pytest.raises(MaestroQADataError, match="more than the 1000 bytes"):
        land(memory, engine=replace(engine, inflater=Counting))
    assert sum(made) <= 2 * MB


def test_an_archive_that_unpacks_to_more_than_is_allowed_is_rejected(members):
    with pytest.raises(MaestroQADataError, match="are allowed"):
        members(build_zip(Part(), Part(name=b"b.csv")), max_content_bytes=7)


def test_an_archive_with_too_many_members_is_rejected(rejected):
    assert "at most 10000" in rejected(Part(), entries=20_000, zip64_end=True).message


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_a_directory_that_miscounts_is_rejected(rejected, entries):
    rejected(Part(), Part(name=b"b.csv"), entries=entries)


@pytest.mark.parametrize("form", ["descriptor", "zip64", "stored", "comment", "folders", "zip64_end"])
def test_every_honest_form_of_archive_is_read(land, memory, origin, form):
    options = {"comment": b"PK is how it begins"} if form == "comment" else {}
    options |= {"zip64_end": True} if form == "zip64_end" else {}
    changes = {"descriptor": form == "descriptor", "zip64": form == "zip64", "method": 0 if form == "stored" else 8}
    parts = [Part(name=b"x/", data=b"", method=0, mode=FOLDER)] if form == "folders" else []
    parts += [Part(name=b"x/a.csv", mode=FILE, **changes), Part(name="\u00fc.csv".encode(), data=b"", **changes)]
    origin.body = build_zip(*parts, **options)
    with zipfile.ZipFile(io.BytesIO(origin.body)) as reference:
        assert reference.testzip() is None
    land(memory, file_format="csv")
    assert (memory.get_bytes("x/a.csv"), memory.get_bytes("ü.csv")) == (b"h\n1\n", b"")


@pytest.mark.parametrize("seekable", [True, False])
def test_what_python_writes_is_read_as_python_reads_it(members, seekable):
    target = io.BytesIO()
    target.seekable = lambda: seekable
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.csv", "sub/b.csv", "ünï.csv"):
            archive.writestr(name, f"{name}\n" * 100)
    with zipfile.ZipFile(io.BytesIO(target.getvalue())) as reference:
        expected = [(info.filename, info.file_size, info.compress_size, info.CRC) for info in reference.infolist()]
    got = [(member.name, member.size, member.compressed_size, member.crc32) for member in members(target.getvalue())]
    assert got == expected


def test_a_name_that_is_no_utf_8_is_read_as_the_format_began(members):
    assert members(build_zip(Part(name=b"caf\x82.csv")))[0].name == "café.csv"
    with pytest.raises(MaestroQADataError, match="no UTF-8"):
        members(build_zip(Part(name=b"caf\x82.csv", flags=0x800)))


def test_a_piece_of_a_spanned_archive_is_rejected(land, memory, origin):
    origin.body = b"PK\x07\x08" + bytes(100)
    with pytest.raises(MaestroQADataError, match="spans several files"):
        land(memory)
