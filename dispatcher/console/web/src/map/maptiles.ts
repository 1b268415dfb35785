/** One file with all tiles, read by ranges. A file of its own, so that it is loaded only where there is one. */

export { PMTiles, TileType } from "pmtiles";
