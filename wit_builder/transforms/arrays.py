"""Bring a small keyed result back to the launcher, on every runner: through a file."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from wit_builder import storage

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(eq=False)
class SaveArrays(beam.PTransform):
    """PCollection[tuple[key, array]] -> one .npz file, its arrays named by their keys.

    For tables of thousands of rows, such as counts by slice: all of it is held in memory.
    """

    path: str

    def expand(self, arrays: "beam.PCollection[Any]") -> "beam.PCollection[str]":
        """Gather everything and write it."""
        return (
            arrays
            | "Gather all" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Save" >> beam.Map(_save, self.path)
        )


def _save(arrays: list[Any], path: str) -> str:
    buffer = io.BytesIO()
    named: dict[str, Any] = {str(key): array for key, array in arrays}
    np.savez(buffer, **named)
    storage.write_bytes(path, buffer.getvalue())
    return path


@dataclass(frozen=True)
class SavedArray:
    """One array in a .npy file, which workers map into memory."""

    path: str
    digest: str
    """SHA-256 of the file, in hex."""

    @classmethod
    def save(cls, array: npt.NDArray[Any], path: str) -> "SavedArray":
        """Write an array."""
        buffer = io.BytesIO()
        np.save(buffer, array)
        storage.write_bytes(path, buffer.getvalue())
        return cls(path, hashlib.sha256(buffer.getvalue()).hexdigest())

    def open(self) -> npt.NDArray[Any]:
        """Map the array into memory, shared by the machine's workers."""
        array: npt.NDArray[Any] = np.load(storage.local_copy(self.path, self.digest), mmap_mode="r")
        return array


def load_arrays(path: str) -> Arrays:
    """Read what `SaveArrays` wrote."""
    with np.load(io.BytesIO(storage.read_bytes(path))) as archive:
        return {name: archive[name] for name in archive.files}
