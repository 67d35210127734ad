from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError

COMMENTS = b"ticket_id,body,public\n"


def test_a_row_becomes_a_record_with_its_line(read, metric):
    header, line, sent = metric
    result = read(header + line + line)
    assert result.bodies == [sent, sent]
    assert result.positions == ["metrics.csv line 2", "metrics.csv line 3"]


def test_leading_zeros_of_ids_survive(read, metric):
    header, line, _ = metric
    result = read(header + line.replace(b"T-1", b"007").replace(b"csat", b"0010"))
    assert (result.bodies[0]["ticket_id"], result.bodies[0]["metric_id"]) == ("007", "0010")


def test_an_empty_cell_is_absent(read):
    result = read(COMMENTS + b"T-1,Hello,\nT-2,  ,true\n", resource="comments")
    assert result.bodies == [{"ticket_id": "T-1", "body": "Hello"}]
    assert "body is missing" in result.errors["metrics.csv line 3"]


def test_a_cell_in_quotes_keeps_line_breaks_delimiters_and_quotes(read):
    body = 'one\r\ntwo, "three"\n\nfour'
    cell = body.replace('"', '""').encode()
    result = read(COMMENTS + b'T-1,"' + cell + b'",true\r\nT-2,plain,false\r\n', resource="comments")
    assert [record["body"] for record in result.bodies] == [body, "plain"]
    assert result.positions == ["metrics.csv line 2", "metrics.csv line 6"]


def test_a_byte_order_mark_is_tolerated(read, metric):
    header, line, sent = metric
    assert read(b"\xef\xbb\xbf" + header + line).bodies == [sent]


def test_text_beyond_ascii_arrives_as_it_is(read):
    result = read(COMMENTS + "T-1,Grüße, 世界 🎉,true\n".replace(", 世", " 世").encode(), resource="comments")
    assert result.bodies[0]["body"] == "Grüße 世界 🎉"


@pytest.mark.parametrize(("delimiter", "name"), [(";", "a.csv"), ("|", "a.csv"), ("\\t", "a.csv"), (None, "a.tsv")])
def test_other_delimiters_are_read_when_they_are_named(read, metric, delimiter, name):
    header, line, sent = metric
    sign = b"\t" if delimiter in (None, "\\t") else delimiter.encode()
    content = (header + line).replace(b",", sign)
    assert read(content, name, delimiter=delimiter).bodies == [sent]


def test_a_header_that_another_delimiter_parts_names_the_remedy(read, metric):
    header, line, _ = metric
    with pytest.raises(MaestroQADataError, match=r"a\.csv line 1 is the header, and semicolons .* delimiter=';'"):
        read((header + line).replace(b",", b";"), "a.csv")


def test_a_header_with_commas_is_reported_when_semicolons_were_asked_for(read, metric):
    header, line, _ = metric
    with pytest.raises(MaestroQADataError, match=r"commas seem to separate its columns, not semicolons"):
        read(header + line, delimiter=";")


@pytest.mark.parametrize("delimiter", ["", "None"])
def test_a_delimiter_that_a_template_left_empty_is_the_default(read, metric, delimiter):
    header, line, sent = metric
    assert read(header + line, delimiter=delimiter).bodies == [sent]


@pytest.mark.parametrize("delimiter", [";;", '"', "\n", 3])
def test_a_delimiter_is_one_character(read, metric, delimiter):
    with pytest.raises(MaestroQAConfigError, match="delimiter must be one character"):
        read(metric[0], delimiter=delimiter)


@pytest.mark.parametrize("row", [b"T-1,zendesk\n", b"T-1,zendesk,a,b,c,d,e\n", b"T-1\n"])
def test_an_uneven_row_is_one_bad_record_with_its_line(read, metric, row):
    header, line, sent = metric
    result = read(header + line + row + line)
    assert result.bodies == [sent, sent]
    assert list(result.errors) == ["metrics.csv line 3"]
    cells = row.count(b",") + 1
    assert f"the row has {cells} cells, but the header has 6" in result.errors["metrics.csv line 3"]


def test_empty_lines_are_passed_over_and_counted(read, metric):
    header, line, sent = metric
    result = read(header + b"\n\r\n" + line + b"\n")
    assert (result.bodies, result.positions) == ([sent], ["metrics.csv line 4"])


def test_the_last_line_needs_no_line_feed(read, metric):
    header, line, sent = metric
    assert read(header + line.rstrip(b"\n")).bodies == [sent]


def test_an_empty_file_has_no_header(read):
    with pytest.raises(MaestroQADataError, match=r"metrics\.csv line 1 should be the header, but the file is empty"):
        read(b"")


def test_a_header_alone_is_no_record(read, metric):
    assert read(metric[0]).records == []


def test_a_column_that_is_no_field_needs_a_mapping(read, metric):
    header, line, _ = metric
    with pytest.raises(MaestroQADataError, match=r"'team' is no field of a ticket metric.*Pass a mapping"):
        read(header.replace(b"source_id", b"team") + line)


def test_columns_that_are_named_in_other_case_are_found(read, metric):
    header, line, sent = metric
    assert read(header.upper() + line).bodies == [sent]


def test_a_column_that_comes_twice_is_an_error_when_it_is_used(read, metric):
    header, line, sent = metric
    with pytest.raises(MaestroQADataError, match="more than one column is ticket_id"):
        read(header.replace(b"source_id", b"ticket_id") + line)
    mapping = {name: name for name in sent}
    with pytest.raises(MaestroQADataError, match=r"the column 'ticket_id', of which there are 2"):
        read(header.replace(b"source_id", b"ticket_id") + line, mapping=mapping)
    twice = header.rstrip() + b",x,x\n" + line.rstrip() + b",1,2\n"
    assert read(twice, mapping=mapping).bodies == [sent]


def test_a_field_that_all_records_need_must_have_a_column(read, metric):
    header, line, _ = metric
    with pytest.raises(MaestroQADataError, match=r"there is no column for metric_value, which every ticket metric"):
        read(header.replace(b",metric_value", b"") + line.replace(b",85.5", b""))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (b'"never closed', r"line 3 opens a quote that is never closed. Close it"),
        (b'"a"b"', r"line 3 has a quote within quotes, or text after a closing quote"),
        (b"a\rb", r"line 3 has a carriage return outside of quotes"),
        (b"\xfc", r"line 3 is not UTF-8: its byte 5 is 0xfc\. Write the file in UTF-8"),
        (b'"' + b"xxxxxxxxx\n" * 500, r"line 3 has a cell of more than 1,000 characters"),
        (b"x" * 5000, r"line 3 has more than 2,000 characters"),
    ],
)
def test_a_line_that_cannot_be_read_ends_the_file_and_is_named(read, metric, monkeypatch, cell, message):
    monkeypatch.setattr("airflow_provider_maestroqa.storage.csv_reader.MAX_CELL", 1000)
    monkeypatch.setattr("airflow_provider_maestroqa.storage.csv_reader.MAX_LINE", 2000)
    header, line, _ = metric
    with pytest.raises(MaestroQADataError, match=message):
        read(header + line + b"T-1," + cell + b"\n" * (cell[:1] != b"x"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("first_line", ["", "sep=;\r\n", '"sep=;"\n'])
def test_utf_16_and_the_line_for_excel_are_understood(read, metric, encoding, first_line):
    header, line, sent = metric
    delimiter = ";" if first_line else ","
    content = first_line + (header + line).decode().replace("csat", "Grüße 🎉").replace(",", delimiter)
    result = read(content.encode(encoding))
    assert result.bodies == [{**sent, "metric_id": "Grüße 🎉"}]
    assert result.positions == [f"metrics.csv line {3 if first_line else 2}"]


def test_a_delimiter_that_is_passed_wins_over_the_line_for_excel(read, metric):
    header, line, sent = metric
    assert read(b"sep=;\n" + (header + line).replace(b",", b"|"), delimiter="|").bodies == [sent]


def test_utf_16_that_ends_in_the_middle_is_damaged(read, metric):
    with pytest.raises(MaestroQADataError, match=r"metrics\.csv is UTF-16 and damaged"):
        read((metric[0] + metric[1]).decode().encode("utf-16")[:-1])


def test_a_header_that_is_repeated_is_skipped_and_logged(read, metric, caplog):
    header, line, sent = metric
    result = read(header + line + header + line)
    assert (result.bodies, result.positions) == ([sent] * 2, ["metrics.csv line 2", "metrics.csv line 4"])
    assert "line 3 repeats the header; it is skipped" in caplog.text


@pytest.mark.parametrize("null_values", [["NULL", "\\N"], ("NULL", "\\N"), '["NULL", "\\\\N"]'])
def test_null_values_are_absent(read, null_values):
    content = COMMENTS + b"T-1,NULLs,\\N\nT-2,NULL,true\n"
    result = read(content, resource="comments", null_values=null_values)
    assert result.bodies == [{"ticket_id": "T-1", "body": "NULLs"}]
    assert "body is missing" in result.errors["metrics.csv line 3"]
    assert read(COMMENTS + b"T-1,NULL,\n", resource="comments").bodies == [{"ticket_id": "T-1", "body": "NULL"}]


@pytest.mark.parametrize("null_values", [7, {"a": 1}, [None], "[1]"])
def test_null_values_are_texts_and_for_csv(read, metric, null_values):
    with pytest.raises(MaestroQAConfigError, match="null_values must be a list of texts"):
        read(metric[0], null_values=null_values)
    with pytest.raises(MaestroQAConfigError, match="null_values is for CSV"):
        read(b"", "a.jsonl", null_values="NULL")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04rest", r"a ZIP archive, as Excel workbooks \(\.xlsx\) are"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook"),
        (b"PAR1rest", "a Parquet file"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>Sign in</title>", "a web page"),
        (b"<html><body>", "a web page"),
    ],
)
def test_what_is_no_text_is_told_whatever_its_name_says(read, name, content, kind):
    with pytest.raises(MaestroQADataError, match=rf"{name} is {kind}.*Save it as CSV"):
        read(content, name)


@pytest.mark.parametrize("index", [b"", b"Unnamed: 0", b"__index_level_0__"])
def test_the_index_of_a_dataframe_is_told_as_such(read, metric, index):
    header, line, _ = metric
    with pytest.raises(MaestroQADataError, match=r"has no name of its own.* index=False"):
        read(index + b"," + header + b"0," + line)


def test_a_cell_that_is_no_number_is_shown_short(read, metric):
    header, line, _ = metric
    result = read(header + line.replace(b"85.5", b"x" * 3000))
    (problem,) = result.errors.values()
    assert problem.startswith("metric_value must be a number such as 85.5, got 'xxxx")
    assert len(problem) < 120


def test_a_cell_may_be_longer_than_pythons_own_limit(read):
    import csv

    before = csv.field_size_limit()
    result = read(COMMENTS + b"T-1," + b"y" * (before + 10) + b",1\n", resource="comments")
    assert len(result.bodies[0]["body"]) == before + 10
    assert csv.field_size_limit() == before
