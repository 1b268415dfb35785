/** Painting vector tiles on Leaflet's canvases. It was written for pages that have Leaflet in a global name. */

export { leafletLayer } from "protomaps-leaflet";
