/** A moment as the clock on the wall of the district shows it, and back. Pure.
 *
 *     wallOf("2026-07-01T06:30:00Z", "Europe/Berlin")   ->  "2026-07-01T08:30"
 *     momentOf("2026-07-01T08:30", "Europe/Berlin")     ->  "2026-07-01T08:30:00+02:00"
 *
 * An hour that summer time leaves out is the one after it; one that comes twice is the first of the two.
 */

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** How far the zone is ahead of UTC at a moment. */
function aheadMs(atMs: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(atMs);
  const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second")) - Math.floor(atMs / 1000) * 1000;
}

/** As a `datetime-local` field takes it; empty where it is no moment. */
export function wallOf(moment: string, zone: string): string {
  const atMs = Date.parse(moment);
  return Number.isNaN(atMs) ? "" : new Date(atMs + aheadMs(atMs, zone)).toISOString().slice(0, 16);
}

/** What somebody chose, with the zone's distance from UTC at that moment; empty where it is no date. */
export function momentOf(wall: string, zone: string): string {
  const asUtc = Date.parse(`${wall.slice(0, 16)}Z`);
  if (Number.isNaN(asUtc)) return "";
  const aheads = [aheadMs(asUtc - DAY_MS, zone), aheadMs(asUtc + DAY_MS, zone)];
  // Where the clock is put forward, neither is right: the one from before is an hour later on the wall.
  const ahead = aheads.find((one) => aheadMs(asUtc - one, zone) === one) ?? aheads[0] ?? 0;
  const at = asUtc - ahead;
  return written(at, aheadMs(at, zone));
}

function written(atMs: number, ahead: number): string {
  const minutes = Math.round(Math.abs(ahead) / MINUTE_MS);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${new Date(atMs + ahead).toISOString().slice(0, 19)}${ahead < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
