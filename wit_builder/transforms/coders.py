"""How Arrow record batches cross from worker to worker.

Beam's default coder pickles the whole parent buffer of a slice: 1,000 rows of
100,000 take 8.9 MB instead of 89 kB. Arrow IPC writes the slice alone.
"""

import apache_beam as beam
import pyarrow as pa


class RecordBatchCoder(beam.coders.Coder):
    """Arrow IPC stream of one record batch."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Write the batch and its schema."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as stream:
            stream.write_batch(value)
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Read a batch back."""
        with pa.ipc.open_stream(encoded) as stream:
            return stream.read_next_batch()

    def is_deterministic(self) -> bool:
        """Equal batches have equal bytes, but they are values, never keys."""
        return False

    def to_type_hint(self) -> type:
        """Name the type that is encoded."""
        kind: type = pa.RecordBatch
        return kind


beam.coders.registry.register_coder(pa.RecordBatch, RecordBatchCoder)
