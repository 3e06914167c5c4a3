import pytest

from spacy_elmo.inference.cuda.tiles import BF16, FP32, TF32, Tile, Tiles


@pytest.mark.parametrize(("tiles", "item_bytes"), [(BF16, 2), (FP32, 4), (TF32, 4)])
def test_tiles_fill_a_power_of_two(tiles: Tiles, item_bytes: int) -> None:
    for n_rows in (16, 32, 64, 128, 512, 2048, 8192):
        for tile in (tiles.of_gates(n_rows), tiles.of_projection(n_rows)):
            assert n_rows % tile.rows == 0
            # What Hopper's programs have: these need not shrink.
    assert tiles.within(227 << 10, item_bytes=item_bytes) == tiles


def test_smaller_memory_means_fewer_stages() -> None:
    small = BF16.within(99 << 10, item_bytes=2)
    assert small.gates == BF16.gates._replace(stages=2)
    assert BF16.within(1, item_bytes=2).gates.stages == 1


def test_a_tile_fits_what_it_divides() -> None:
    assert Tile(16, 64, 64, 4, 3).fit(columns=48, depth=96) == Tile(16, 16, 32, 4, 3)
