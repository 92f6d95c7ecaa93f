from dataclasses import fields

import pytest

from wit_builder import records, schemas


@pytest.mark.parametrize(
    ("record", "schema"),
    [
        (records.Query, schemas.QUERY),
        (records.Candidate, schemas.CANDIDATE),
        (records.MatchedPair, schemas.MATCHED_PAIR),
        (records.QueryCount, schemas.QUERY_COUNT),
        (records.FetchedImage, schemas.FETCHED_IMAGE),
    ],
)
def test_record_and_schema_name_the_same_fields_in_the_same_order(record: type, schema: object) -> None:
    assert [field.name for field in fields(record)] == schema.names  # type: ignore[attr-defined]
