/** Links that open a place in the phone's map app, each in its own datum. They name no person: others read addresses. */

import type { Location } from "../api/shapes";
import { toBd09, toGcj02 } from "../map/datum";

export type MapApp = "amap" | "baidu" | "apple" | "geo";

const DIGITS = 6;
const text = (degrees: number): string => degrees.toFixed(DIGITS);

export function mapLink(app: MapApp, place: Location, label: string): string {
  const name = encodeURIComponent(label);
  switch (app) {
    case "amap": {
      const { lat, lon } = toGcj02(place);
      return `https://uri.amap.com/navigation?to=${text(lon)},${text(lat)},${name}&mode=ride&coordinate=gaode&callnative=1&src=yijian`;
    }
    case "baidu": {
      const { lat, lon } = toBd09(place);
      return `https://api.map.baidu.com/marker?location=${text(lat)},${text(lon)}&title=${name}&content=${name}&coord_type=bd09ll&output=html&src=yijian`;
    }
    case "apple": {
      const { lat, lon } = toGcj02(place);
      return `https://maps.apple.com/?daddr=${text(lat)},${text(lon)}&q=${name}`;
    }
    case "geo":
      return `geo:${text(place.lat)},${text(place.lon)}?q=${text(place.lat)},${text(place.lon)}(${name})`;
  }
}

/** Those that make sense on this phone, the likeliest first. */
export function mapApps(userAgent: string): MapApp[] {
  if (/iPhone|iPad|iPod|Macintosh/.test(userAgent)) return ["amap", "baidu", "apple"];
  return ["amap", "baidu", "geo"];
}
