/** An item being worked on: its draft, and what is sent of it. Pure. */

import type { Masked } from "./errors";
import type { Draft } from "./shapes";

/** Deep, and plain: nothing of the list changes while somebody types. */
export function draftOf(item: object): Draft {
  return JSON.parse(JSON.stringify(item)) as Draft;
}

/** A value as a field shows it. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** Without what is empty: the API leaves those out too. Texts lose the spaces round them. */
export function sent(draft: Draft): Draft {
  const kept: Draft = {};
  for (const [name, value] of Object.entries(draft)) {
    const plain = typeof value === "string" ? value.trim() : value;
    if (plain === "" || plain === null || plain === undefined) continue;
    if (Array.isArray(plain)) {
      const items = plain.map((one: unknown) => (typeof one === "object" && one !== null ? sent(one as Draft) : one)).filter((one) => typeof one !== "object" || one === null || Object.keys(one).length > 0);
      if (items.length > 0) kept[name] = items;
    } else if (typeof plain === "object" && name !== "hours") {
      const inner = sent(plain as Draft);
      // "Closed" and "on call" mean something while empty; coordinates and keys do not.
      if (Object.keys(inner).length > 0 || name === "closed" || name === "on_call") kept[name] = inner;
    } else kept[name] = plain;
  }
  return kept;
}

/** The resident's draft with what was masked in plain: `told` is what the server answered to `?unmask=`. */
export function unmasked(draft: Draft, told: Draft, what: Masked): Draft {
  const plain = (mine: unknown, theirs: unknown): unknown => (typeof mine === "string" && mine.includes("****") && theirs !== undefined ? theirs : mine);
  const now: Draft = draft[what] === undefined ? { ...draft } : { ...draft, [what]: plain(draft[what], told[what]) };
  if (what === "phone" && Array.isArray(draft["contacts"])) {
    const theirs = (told["contacts"] ?? []) as Draft[];
    // By name, as the server puts masked numbers back; where two have one name, by their place.
    now["contacts"] = (draft["contacts"] as Draft[]).map((one, place) => {
      const same = theirs.filter((other) => other["name"] === one["name"]);
      const from = same.length === 1 ? same[0] : theirs[place];
      return one["phone"] === undefined ? one : { ...one, phone: plain(one["phone"], from?.["phone"]) };
    });
  }
  return now;
}

/** The draft with what was shown for a while masked again, as it was in `starred`; what was typed meanwhile stays. */
export function remasked(draft: Draft, told: Draft, starred: Draft, what: Masked): Draft {
  const now: Draft = draft[what] === undefined || draft[what] !== told[what] ? { ...draft } : { ...draft, [what]: starred[what] };
  if (what === "phone" && Array.isArray(draft["contacts"])) {
    const shown = (told["contacts"] ?? []) as Draft[];
    const stars = (starred["contacts"] ?? []) as Draft[];
    now["contacts"] = (draft["contacts"] as Draft[]).map((one) => {
      const at = shown.findIndex((other) => other["phone"] !== undefined && other["phone"] === one["phone"] && other["name"] === one["name"]);
      return at < 0 || stars[at] === undefined ? one : { ...one, phone: stars[at]["phone"] };
    });
  }
  return now;
}

export function same(a: Draft, b: Draft): boolean {
  return JSON.stringify(sorted(sent(a))) === JSON.stringify(sorted(sent(b)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, sorted(one)]));
}

/** A number as it is typed: what is none stays as it is, to be found wrong beside its field. */
export function numberOf(text: string): number | string {
  const plain = text.normalize("NFKC").trim();
  return plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : plain;
}

/** `34.0208, 113.8328` pasted into one of the two. */
export function pairOf(text: string): [number, number] | null {
  const hit = /^\s*(-?\d+(?:\.\d+)?)\s*[,，;\s]\s*(-?\d+(?:\.\d+)?)\s*$/u.exec(text.normalize("NFKC"));
  if (hit === null) return null;
  const [first, second] = [Number(hit[1]), Number(hit[2])];
  // Chinese maps copy longitude first; no latitude is beyond 90.
  return Math.abs(first) > 90 ? [second, first] : [first, second];
}

/** An id for a new item that nobody has: `r-` and the time in few characters. */
export function newId(prefix: string, atMs: number): string {
  return prefix === "" ? "" : `${prefix}-${Math.floor(atMs / 1000).toString(36)}`;
}
