/** Opening hours: as a person writes them, and in words. Pure. */

import { DAYS, type Day, type Hours, type Spans } from "./shapes";

const LOOKALIKES: Record<string, string> = { "：": ":", "∶": ":", "－": "-", "—": "-", "–": "-", "~": "-", "～": "-", "至": "-", "到": "-" };

/** `8:00～12:00、14:00-18:00` is `08:00-12:00`, `14:00-18:00`. What is no span stays as it is and is found wrong later. */
export function spansOf(written: string): string[] {
  const plain = [...written.normalize("NFKC")].map((one) => LOOKALIKES[one] ?? one).join("").replaceAll(/\s*([-:])\s*/g, "$1");
  return plain.split(/[\s,;、，；]+/u).filter((one) => one !== "").map((one) =>
    one.replace(/^(\d{1,2}:\d{2})-(\d{1,2}:\d{2})$/, (_all, from: string, to: string) => `${from.padStart(5, "0")}-${to.padStart(5, "0")}`));
}

const SPAN = /^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$/;

export function isSpan(span: string): boolean {
  return SPAN.test(span) && span.slice(0, 5) !== span.slice(6);
}

export function daySpans(hours: Hours, day: Day): string[] {
  return hours === "always" ? ["00:00-24:00"] : (hours[day] ?? []);
}

/** Days in a row with the same hours, as `{from: "mon", to: "fri", spans: ["08:00-20:00"]}`. */
export function weekOf(spans: Spans): { from: Day; to: Day; spans: string[] }[] {
  const week: { from: Day; to: Day; spans: string[] }[] = [];
  for (const day of DAYS) {
    const own = spans[day] ?? [];
    const last = week.at(-1);
    if (last?.spans.join() === own.join()) last.to = day;
    else week.push({ from: day, to: day, spans: [...own] });
  }
  return week;
}

/** What cannot be read: the path below `hours`, such as `mon[1]`. */
export function hoursFaults(hours: Hours): string[] {
  if (hours === "always") return [];
  return DAYS.flatMap((day) => (hours[day] ?? []).flatMap((span, place) => (isSpan(span) ? [] : [`${day}[${place}]`])));
}
