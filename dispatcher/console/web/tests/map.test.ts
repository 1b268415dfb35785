import { describe, expect, it } from "vitest";

import type { Area, Call, Station } from "../src/api/shapes";
import { Flat, RIM, cells, metresBetween, middleOf, reachMetres } from "../src/map/geometry";
import { CIRCLE_SECONDS, circleOf, homeOf, offersOf, wayTo } from "../src/map/offers";
import { EMPTY_SKETCH, above, sketchOf } from "../src/map/sketch";
import { NO_SOURCE, sourceOf } from "../src/map/source";

const areaOf = (corners: readonly { x: number; y: number }[]): number =>
  corners.reduce((sum, corner, place) => { const next = corners[(place + 1) % corners.length]!; return sum + corner.x * next.y - next.x * corner.y; }, 0) / 2;

describe("geometry", () => {
  it("measures a minute of latitude as a sea mile", () => {
    expect(metresBetween({ lat: 34, lon: 113.8 }, { lat: 34 + 1 / 60, lon: 113.8 })).toBeCloseTo(1853, -1);
  });

  it("goes to flat metres and back", () => {
    const flat = new Flat({ lat: 34, lon: 113.8 });
    const back = flat.from(flat.to({ lat: 34.012, lon: 113.777 }));
    expect(back.lat).toBeCloseTo(34.012, 9);
    expect(back.lon).toBeCloseTo(113.777, 9);
  });

  it("reckons a quarter of an hour as the dispatcher does: detour and speed", () => {
    expect(reachMetres("walk", 900)).toBeCloseTo(830.8, 0);
    expect(reachMetres("e_bike", CIRCLE_SECONDS)).toBeCloseTo(3115.4, 0);
  });

  it("has a middle of nothing that is no error", () => {
    expect(middleOf([])).toEqual({ lat: 0, lon: 0 });
  });

  it("gives each of two neighbours its half, with the other beyond the edge between them", () => {
    const [left, right] = cells([{ x: 0, y: 0 }, { x: 100, y: 0 }], 200);
    expect(Math.max(...left!.map((corner) => corner.x))).toBeCloseTo(50, 6);
    expect(Math.min(...right!.map((corner) => corner.x))).toBeCloseTo(50, 6);
    expect(left!.filter((corner) => corner.beyond === 1)).toHaveLength(1);
    expect(left!.filter((corner) => corner.beyond === RIM).length).toBeGreaterThan(10);
  });

  it("covers a block without gap or overlap", () => {
    const points = Array.from({ length: 25 }, (_, n) => ({ x: (n % 5) * 100, y: Math.floor(n / 5) * 100 }));
    const middle = cells(points, 500)[12]!;
    expect(areaOf(middle)).toBeCloseTo(100 * 100, 3);
  });

  it("lets two stations in one house share one cell", () => {
    const [first, second] = cells([{ x: 5, y: 5 }, { x: 5, y: 5 }], 100);
    expect(first!.length + second!.length).toBeGreaterThan(0);
    expect([first!.length, second!.length]).toContain(0);
  });
});

const areas = new Map<string, Area>([
  ["1", { code: "1", name: "东街", kind: "street", parent: "0" }],
  ["2", { code: "2", name: "西街", kind: "street", parent: "0" }],
  ["11", { code: "11", name: "光明社区", kind: "community", parent: "1" }],
  ["12", { code: "12", name: "安居社区", kind: "community", parent: "1" }],
  ["21", { code: "21", name: "张庄社区", kind: "community", parent: "2" }],
  ["111", { code: "111", name: "网格", kind: "grid", parent: "11" }],
]);
const station = (id: string, area: string, lat: number, lon: number): Station => ({ id, name: id, kind: "care_station", area, location: { lat, lon } });

describe("the sketch of a district", () => {
  it("finds the community a grid lies in, and nothing above what goes round in a ring", () => {
    expect(above(areas, "111", "community")).toBe("11");
    expect(above(areas, "111", "street")).toBe("1");
    const ring = new Map<string, Area>([["a", { code: "a", name: "", kind: "grid", parent: "b" }], ["b", { code: "b", name: "", kind: "grid", parent: "a" }]]);
    expect(above(ring, "a", "street")).toBe("");
  });

  it("draws each community once, with thin lines within a street and firm ones between streets", () => {
    const sketch = sketchOf([station("a", "111", 34, 113.8), station("b", "12", 34, 113.805), station("c", "21", 34, 113.81), station("d", "11", 34.002, 113.8)], areas);
    expect(sketch.communities.map((shape) => shape.code).sort()).toEqual(["11", "12", "21"]);
    expect(sketch.communities.find((shape) => shape.code === "11")!.rings).toHaveLength(2);
    expect(sketch.streets.map((street) => street.name)).toEqual(["东街", "西街"]);
    expect(sketch.inner.length).toBeGreaterThan(0);
    expect(sketch.between).toHaveLength(1);
    expect(sketch.rim.length).toBeGreaterThan(10);
  });

  it("is empty where no station has a place", () => {
    expect(sketchOf([{ id: "a", name: "a", kind: "care_station", area: "11" }], areas)).toEqual(EMPTY_SKETCH);
  });
});

describe("the base map the settings name", () => {
  it("takes what is an address and leaves everything else out", () => {
    expect(sourceOf({ tiles: null, pmtiles: "/map/d.pmtiles", geojson: 7, datum: "gcj02", attribution: "© OSM" })).toEqual({ tiles: null, pmtiles: "/map/d.pmtiles", geojson: null, datum: "gcj02", attribution: "© OSM" });
    expect(sourceOf({ datum: "mars" }).datum).toBe("wgs84");
    expect(sourceOf("nonsense")).toEqual(NO_SOURCE);
    expect(sourceOf(null)).toEqual(NO_SOURCE);
  });
});

const call = (more: Partial<Call>): Call => ({ id: "c", dispatches: [], accepted: null, resident: null, location: null, ...more }) as Call;
const asked = (id: string, state: "offered" | "accepted" | "declined", seconds: number | null) => ({ station: id, at: "", last_at: "", offers: 1, travel_seconds: seconds, distance_m: seconds, reason: "nearest", state });

describe("what a call's map shows", () => {
  const stations = new Map([["a", { ...station("a", "11", 34, 113.8), travel: "walk" }], ["b", station("b", "12", 34, 113.9)]] as [string, Station][]);

  it("puts who holds it first, then the nearest, and numbers them for the list", () => {
    const offers = offersOf(call({ dispatches: [asked("a", "declined", 100), asked("b", "accepted", 500)], accepted: { by: "s", station: "b", at: "" } }), stations);
    expect(offers.map((one) => [one.number, one.station, one.state, one.holds])).toEqual([[1, "b", "accepted", true], [2, "a", "declined", false]]);
  });

  it("shows a station that took it without having been asked, and one that is in no register", () => {
    const offers = offersOf(call({ dispatches: [asked("gone", "offered", null)], accepted: { by: "s", station: "b", at: "" } }), stations);
    expect(offers.map((one) => [one.station, one.at === null])).toEqual([["b", false], ["gone", true]]);
  });

  it("leaves persons out: they have no place on a map", () => {
    expect(offersOf(call({ dispatches: [{ ...asked("", "offered", 1), person: "r-1/1" }] }), stations)).toEqual([]);
  });

  it("draws the circle for how the first of them travels, by e-bike where that is unknown", () => {
    expect(circleOf(offersOf(call({ dispatches: [asked("a", "offered", 9)] }), stations), stations)).toEqual({ travel: "walk", metres: reachMetres("walk", 900) });
    expect(circleOf([], stations).travel).toBe("e_bike");
  });

  it("takes the call's own place before the resident's", () => {
    expect(homeOf(call({ location: { lat: 1, lon: 2 }, resident: { id: "r", location: { lat: 3, lon: 4 } } }))).toEqual({ lat: 1, lon: 2 });
    expect(homeOf(call({}))).toBeNull();
  });

  it.each([[0.01, 0, "n"], [0, 0.01, "e"], [-0.01, -0.012, "sw"], [0.01, -0.0002, "n"], [0, 0, null]] as const)("says the direction: %f north, %f east is %s", (north, east, way) => {
    expect(wayTo({ lat: 34, lon: 113.8 }, { lat: 34 + north, lon: 113.8 + east })).toBe(way);
  });
});
