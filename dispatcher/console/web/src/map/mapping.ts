/**
 * A Leaflet map on an element, with whatever base there is: `makeBoard(element, source, sketch, options)`.
 *
 * Everything it draws over the base gets its look from classes (`map.css`), so day and night are the tokens' matter.
 * Loaded late: nothing but the map and the wall needs Leaflet.
 */

import "leaflet/dist/leaflet.css";
import "./map.css";

import * as L from "leaflet";

import type { Location } from "../api/shapes";
import { type IconName, SHAPES } from "../parts/icons";
import { fromGcj02, toGcj02 } from "./datum";
import type { Sketch } from "./sketch";
import type { MapSource } from "./source";

export type Base = "tiles" | "pmtiles" | "geojson" | "drawn";

export interface BoardOptions {
  /** Somebody may move it: not on a wall. */
  moved: boolean;
  names: boolean;
  zoomIn: string;
  zoomOut: string;
  dark: boolean;
  /** The place it stands in has another size; the map itself knows already. */
  resized?: () => void;
}

export interface Board {
  map: L.Map;
  base: Base;
  /** The base the settings name could not be read. */
  failed: boolean;
  /** The communities that the base has outlines of, by their code, so that others may shade them. */
  shades: Map<string, L.Polygon[]>;
  remove: () => void;
}

const GEOJSON_BYTES_MAX = 32_000_000;
const ZOOM_MAX = 19;
const SVG = "http://www.w3.org/2000/svg";

export const point = (place: Location): L.LatLngTuple => [place.lat, place.lon];

export async function makeBoard(element: HTMLElement, source: MapSource, sketch: Sketch, options: BoardOptions): Promise<Board> {
  const map = L.map(element, {
    crs: source.datum === "gcj02" ? shifted : L.CRS.EPSG3857,
    attributionControl: source.attribution !== "",
    zoomControl: false,
    zoomSnap: options.moved ? 0.25 : 0,
    zoomDelta: 0.5,
    maxZoom: ZOOM_MAX,
    dragging: options.moved,
    keyboard: options.moved,
    scrollWheelZoom: false,
    doubleClickZoom: options.moved,
    boxZoom: options.moved,
    touchZoom: options.moved,
    fadeAnimation: false,
    zoomAnimation: false,
    markerZoomAnimation: false,
  });
  if (!options.moved) element.removeAttribute("tabindex");
  if (options.moved) L.control.zoom({ zoomInTitle: options.zoomIn, zoomOutTitle: options.zoomOut }).addTo(map);
  if (source.attribution !== "") map.attributionControl.setPrefix(false).addAttribution(plain(source.attribution));
  map.setView([0, 0], 13);
  const sizes = new ResizeObserver(() => {
    map.invalidateSize({ animate: false });
    options.resized?.();
  });
  const board: Board = { map, base: "drawn", failed: false, shades: new Map(), remove: () => { sizes.disconnect(); map.remove(); } };
  sizes.observe(element);
  try {
    board.base = await addBase(board, source, options);
  } catch {
    board.failed = true;
  }
  if (board.base === "drawn") draw(board, sketch, options.names);
  return board;
}

/** What the settings say goes in as text, as everything else. */
function plain(text: string): string {
  const element = document.createElement("span");
  element.textContent = text;
  return element.innerHTML;
}

/** Mercator as AMap and Tencent draw it: places go in and out as WGS 84, and lie where their tiles have them. */
const shifted: L.CRS = L.Util.extend({}, L.CRS.EPSG3857, {
  projection: {
    ...L.Projection.SphericalMercator,
    project: ({ lat, lng }: L.LatLng): L.Point => {
      const there = toGcj02({ lat, lon: lng });
      return L.Projection.SphericalMercator.project(L.latLng(there.lat, there.lon));
    },
    unproject: (at: L.Point): L.LatLng => {
      const there = L.Projection.SphericalMercator.unproject(at);
      const here = fromGcj02({ lat: there.lat, lon: there.lng });
      return L.latLng(here.lat, here.lon);
    },
  },
});

async function addBase(board: Board, source: MapSource, options: BoardOptions): Promise<Base> {
  const { map } = board;
  if (source.pmtiles !== null) {
    await addPmtiles(map, source.pmtiles, options.dark);
    return "pmtiles";
  }
  if (source.geojson !== null) {
    const response = await fetch(source.geojson, { signal: AbortSignal.timeout(20_000) });
    if (!response.ok || Number(response.headers.get("Content-Length") ?? 0) > GEOJSON_BYTES_MAX) throw new Error("no GeoJSON");
    addGeojson(board, (await response.json()) as GeoJSON.GeoJsonObject, options.names);
    return "geojson";
  }
  if (source.tiles !== null) {
    L.tileLayer(source.tiles, { maxZoom: ZOOM_MAX }).addTo(map);
    return "tiles";
  }
  return "drawn";
}

async function addPmtiles(map: L.Map, url: string, dark: boolean): Promise<void> {
  const { PMTiles, TileType } = await import("./maptiles");
  const file = new PMTiles(new URL(url, location.href).href);
  const header = await file.getHeader();
  if (header.tileType === TileType.Mvt) {
    Object.assign(window, { L });
    const { leafletLayer } = await import("./mapvector");
    const layer = leafletLayer({ url: file, flavor: dark ? "dark" : "light", lang: "zh", maxDataZoom: header.maxZoom, attribution: "" }) as unknown as L.GridLayer;
    layer.addTo(map);
    return;
  }
  rasterLayer(file, header.maxZoom).addTo(map);
}

interface Tiles {
  getZxy: (z: number, x: number, y: number) => Promise<{ data: ArrayBuffer } | undefined>;
}

/** Pictures out of a file, painted on canvases: an image's address would need a policy that allows `blob:`. */
function rasterLayer(file: Tiles, maxNativeZoom: number): L.GridLayer {
  const createTile = function (this: L.GridLayer, at: L.Coords, done: L.DoneCallback): HTMLElement {
    const canvas = document.createElement("canvas");
    const size = this.getTileSize();
    canvas.width = size.x;
    canvas.height = size.y;
    const paint = async (): Promise<void> => {
      const tile = await file.getZxy(at.z, at.x, at.y);
      if (tile === undefined) return;
      const picture = await createImageBitmap(new Blob([tile.data]));
      canvas.getContext("2d")?.drawImage(picture, 0, 0, size.x, size.y);
      picture.close();
    };
    paint().then(() => { done(undefined, canvas); }, (error: unknown) => { done(error instanceof Error ? error : new Error("no tile"), canvas); });
    return canvas;
  };
  return new (L.GridLayer.extend({ createTile }) as new (options: L.GridLayerOptions) => L.GridLayer)({ maxZoom: ZOOM_MAX, maxNativeZoom });
}

/** Areas, roads, water and names, by what the file says of each: in our own colours, whoever made it. */
function addGeojson(board: Board, data: GeoJSON.GeoJsonObject, names: boolean): void {
  L.geoJSON(data, {
    interactive: false,
    style: (feature) => ({ className: `ground ${kindOf(feature)}` }),
    pointToLayer: (feature, at) => nameMark(at, names ? nameOf(feature as GeoJSON.Feature) : "", "place"),
    onEachFeature: (feature: GeoJSON.Feature, layer) => {
      const code: unknown = feature.properties?.["code"];
      if (typeof code === "string" && layer instanceof L.Polygon) board.shades.set(code, [...(board.shades.get(code) ?? []), layer]);
    },
  }).addTo(board.map);
}

function kindOf(feature: GeoJSON.Feature | undefined): string {
  const told: Record<string, unknown> = feature?.properties ?? {};
  const type = feature?.geometry.type ?? "";
  if (told["waterway"] !== undefined || told["natural"] === "water" || told["kind"] === "water") return type.endsWith("LineString") ? "water stream" : "water";
  if (type.endsWith("LineString")) return ["motorway", "trunk", "primary", "secondary"].includes(String(told["highway"] ?? told["kind"])) ? "road main" : "road";
  if (type.endsWith("Polygon")) return told["kind"] === "street" || told["admin_level"] === "8" ? "area street" : "area";
  return "place";
}

function nameOf(feature: GeoJSON.Feature): string {
  const told: Record<string, unknown> = feature.properties ?? {};
  return typeof told["name"] === "string" ? told["name"].slice(0, 60) : "";
}

function draw(board: Board, sketch: Sketch, names: boolean): void {
  const { map } = board;
  const shadeOf = new Map(sketch.streets.map((street) => [street.code, street.shade]));
  const lines = (pieces: Location[][], className: string): void => {
    L.polyline(pieces.map((piece) => piece.map(point)), { className, interactive: false, noClip: true, smoothFactor: 0 }).addTo(map);
  };
  for (const shape of sketch.communities) {
    const polygons = shape.rings.map((ring) =>
      L.polygon(ring.map(point), { className: `cell shade-${String(shadeOf.get(shape.street) ?? 0)}`, interactive: false, noClip: true, smoothFactor: 0 }).addTo(map));
    board.shades.set(shape.code, polygons);
  }
  lines(sketch.inner, "line inner");
  lines(sketch.between, "line between");
  lines(sketch.rim, "line rim");
  if (names) for (const street of sketch.streets) nameMark(point(street.middle), street.name, "street-name").addTo(map);
}

function nameMark(at: L.LatLngExpression, name: string, className: string): L.Marker {
  const element = document.createElement("span");
  element.textContent = name;
  return L.marker(at, { icon: L.divIcon({ html: element, className: `name ${className}`, iconSize: [0, 0] }), interactive: false, keyboard: false, zIndexOffset: -1000 });
}

/** A drawing of `parts/icons.ts` for a mark. */
export function signElement(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** A mark: a sign in a shape, a text beside it. All of it is text, whatever somebody is called. */
export function mark(at: L.LatLngExpression, className: string, sign: IconName, text: string, beside = ""): L.Marker {
  const element = document.createElement("span");
  element.className = "mark-body";
  const badge = document.createElement("span");
  badge.className = "mark-sign";
  badge.append(signElement(sign));
  if (text !== "") {
    const figure = document.createElement("b");
    figure.textContent = text;
    badge.append(figure);
  }
  element.append(badge);
  if (beside !== "") {
    const label = document.createElement("span");
    label.className = "mark-label";
    label.textContent = beside;
    element.append(label);
  }
  return L.marker(at, { icon: L.divIcon({ html: element, className: `mark ${className}`, iconSize: [0, 0] }), interactive: false, keyboard: false });
}

export { L };
