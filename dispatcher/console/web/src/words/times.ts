/** Moments and spans as people read them, in the district's time zone. */

import type { Moment } from "../api/shapes";
import { clockText } from "../live/view";
import { tongue } from "./index";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${tongue()} ${zone} ${JSON.stringify(options)}`;
  let made = formats.get(key);
  if (made === undefined) {
    made = new Intl.DateTimeFormat(tongue() === "en" ? "en-GB" : "zh-CN", { timeZone: zone, hourCycle: "h23", ...options });
    formats.set(key, made);
  }
  return made;
}

let zone = "Asia/Shanghai";

export function setZone(name: string): void {
  zone = name === "" ? "Asia/Shanghai" : name;
}

/** The district's. */
export function zoneName(): string {
  return zone;
}

/** `03:07:15` */
export function timeOf(moment: Moment | number): string {
  return format(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(typeof moment === "number" ? moment : Date.parse(moment));
}

/** `03:07` */
export function shortTimeOf(moment: Moment | number): string {
  return format(zone, { hour: "2-digit", minute: "2-digit" }).format(typeof moment === "number" ? moment : Date.parse(moment));
}

/** `11月24日 03:07` */
export function dayTimeOf(moment: Moment): string {
  return format(zone, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }).format(Date.parse(moment));
}

/** Minutes since midnight in the district. */
export function minuteOfDay(atMs: number): number {
  const [hours = "0", minutes = "0"] = shortTimeOf(atMs).split(":");
  return Number(hours) * 60 + Number(minutes);
}

export function yearOf(atMs: number): number {
  return Number(new Intl.DateTimeFormat("en-GB", { timeZone: zone, year: "numeric" }).format(atMs));
}

/** Between two moments, as `0:12`; less than a second as `0:00`. */
export function between(from: Moment, to: Moment): string {
  return clockText((Date.parse(to) - Date.parse(from)) / 1000);
}

/** A short span that people read: `4 ms`, `0.4 s`, `12 s`, `3:20`. */
export function spanText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 1) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return clockText(seconds);
}
