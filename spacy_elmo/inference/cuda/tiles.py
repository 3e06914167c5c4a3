"""The tiles of the kernels, by number of rows and precision, as measured on Hopper GPUs."""

import math
from typing import NamedTuple


class Tile(NamedTuple):
    """What a program of a kernel multiplies.

    rows (int): Rows.
    columns (int): Cells, of four gates each, or hidden units.
    depth (int): Numbers of a row that are multiplied at a time.
    warps (int): Triton's `num_warps`.
    stages (int): Triton's `num_stages`.
    """

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int

    def fit(self, *, columns: int, depth: int) -> "Tile":
        """Reduce the tile to divisors of a matrix's sizes.

        columns (int): Columns of the matrix.
        depth (int): Depth of the matrix.
        RETURNS (Tile): The reduced tile.
        """
        return self._replace(columns=math.gcd(self.columns, columns), depth=math.gcd(self.depth, depth))


class Tiles(NamedTuple):
    """The tiles of a precision.

    gates (Tile): For gates, if there are enough rows to fill it.
    project (Tile): For projections, if there are enough rows to fill it.
    project_many (Tile): For projections with MANY_ROWS or more.
    few_gates (Tile): For gates with fewer rows, whose number it takes.
    few_project (Tile): For projections with fewer rows, whose number it takes.
    """

    gates: Tile
    project: Tile
    project_many: Tile
    few_gates: Tile
    few_project: Tile

    def of_gates(self, n_rows: int) -> Tile:
        return self.gates if n_rows >= self.gates.rows else self.few_gates._replace(rows=n_rows)

    def of_projection(self, n_rows: int) -> Tile:
        if n_rows >= MANY_ROWS:
            return self.project_many
        return self.project if n_rows >= self.project.rows else self.few_project._replace(rows=n_rows)

    def within(self, shared_bytes: int, *, item_bytes: int) -> "Tiles":
        """Reduce the tiles to the memory of a device.

        shared_bytes (int): The memory of a program.
        item_bytes (int): Bytes of a number that is multiplied.
        RETURNS (Tiles): The reduced tiles.
        """

        def shrunk(tile: Tile, n_columns: int) -> Tile:
            stage = (tile.rows + n_columns * tile.columns) * tile.depth * item_bytes
            return tile._replace(stages=max(1, min(tile.stages, shared_bytes // stage)))

        # Of each cell, the weights of four gates are there.
        columns = {"gates": 4, "few_gates": 4}
        return Tiles(**{name: shrunk(tile, columns.get(name, 1)) for name, tile in self._asdict().items()})


MANY_ROWS = 2048
BF16 = Tiles(
    gates=Tile(128, 64, 64, 8, 4),
    project=Tile(64, 64, 64, 4, 5),
    project_many=Tile(128, 128, 64, 8, 4),
    few_gates=Tile(16, 16, 128, 4, 3),
    few_project=Tile(16, 16, 256, 4, 4),
)
# Float32 numbers take twice the room. They are rounded to TF32 once, or in three products what was lost as well.
TF32 = Tiles(
    gates=Tile(128, 64, 32, 8, 3),
    project=Tile(64, 64, 32, 4, 3),
    project_many=Tile(64, 64, 32, 4, 3),
    few_gates=Tile(16, 16, 64, 4, 3),
    few_project=Tile(16, 16, 64, 4, 3),
)
FP32 = TF32._replace(gates=Tile(128, 32, 32, 8, 3))

SINGLE_GATES = Tile(1, 8, 128, 4, 1)
SINGLE_PROJECT = Tile(1, 4, 512, 4, 1)
# Of a kernel that only passes numbers on.
PASS_ON = Tile(4, 256, 1, 4, 1)
