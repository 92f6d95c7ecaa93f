import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import registry

from wit_builder.transforms.coders import RecordBatchCoder


def test_a_slice_is_encoded_without_its_parent() -> None:
    parent = pa.record_batch({"x": pa.array(range(100_000), pa.int64())})
    part = parent.slice(50_000, 1_000)
    encoded = RecordBatchCoder().encode(part)
    assert len(encoded) < 10_000
    assert RecordBatchCoder().decode(encoded).equals(part)


def test_beam_uses_it_for_record_batches_also_as_values() -> None:
    assert isinstance(registry.get_coder(pa.RecordBatch), RecordBatchCoder)
    pair = registry.get_coder(beam.typehints.Tuple[int, pa.RecordBatch])
    assert isinstance(pair.value_coder(), RecordBatchCoder)
