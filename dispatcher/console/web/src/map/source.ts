/**
 * Which base map this installation has: `GET /api/v1/map`. At most one of the three is used, the first that is there:
 *
 *     {"pmtiles": "/map/district.pmtiles" | null,      one file with all tiles, read by ranges
 *      "geojson": "/map/district.geojson" | null,      boundaries and roads, drawn in our own colours
 *      "tiles": "https://…/{z}/{x}/{y}.png" | null,    tiles by URL, where the settings allow them
 *      "datum": "wgs84" | "gcj02",                     what the tiles are drawn in; our places are WGS 84
 *      "attribution": "© …"}
 *
 * None of them, or a server without this endpoint: the district is drawn from its stations (`sketch.ts`).
 */

import { read } from "../api/http";

export interface MapSource {
  tiles: string | null;
  pmtiles: string | null;
  geojson: string | null;
  datum: "wgs84" | "gcj02";
  attribution: string;
}

export const NO_SOURCE: MapSource = { tiles: null, pmtiles: null, geojson: null, datum: "wgs84", attribution: "" };

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

/** What the server told, whatever it is: anything that is no address counts as none. */
export function sourceOf(told: unknown): MapSource {
  if (typeof told !== "object" || told === null) return NO_SOURCE;
  const given = told as Record<string, unknown>;
  return {
    tiles: text(given["tiles"]),
    pmtiles: text(given["pmtiles"]),
    geojson: text(given["geojson"]),
    datum: given["datum"] === "gcj02" ? "gcj02" : "wgs84",
    attribution: text(given["attribution"]) ?? "",
  };
}

let known: MapSource | null = null;

export async function readSource(): Promise<MapSource> {
  if (known !== null) return known;
  const answer = await read<unknown>("/map");
  if (answer.ok) known = sourceOf(answer.body);
  else if (answer.problem.fault === "gone") known = NO_SOURCE;
  return known ?? NO_SOURCE;
}
