/** Finding somebody in a few keystrokes: by name, initials, telephone, address or id. Pure. */

import { initialsOf } from "./pinyin";

export interface Entry<T> {
  item: T;
  id: string;
  name: string;
  initials: string[];
  digits: string;
  rest: string;
}

export interface Searched {
  id: string;
  name: string;
  phones: (string | undefined)[];
  rest: (string | undefined)[];
}

const plain = (text: string): string => text.normalize("NFKC").toLowerCase().trim();

export function entryOf<T>(item: T, told: Searched): Entry<T> {
  return {
    item,
    id: told.id.toLowerCase(),
    name: plain(told.name),
    initials: initialsOf(told.name),
    digits: told.phones.map((phone) => (phone ?? "").replaceAll(/\D/g, "")).filter((one) => one !== "").join(" "),
    rest: plain(told.rest.filter((one) => one !== undefined && one !== "").join(" ")),
  };
}

/** Less than this of a number is in everybody's. */
const DIGITS_LEAST = 3;
const NOT = 0;

/** How well one word fits: nothing, or the more the better. */
function fits<T>(entry: Entry<T>, word: string): number {
  if (entry.name === word || entry.id === word) return 100;
  if (entry.name.startsWith(word)) return 80;
  if (/^[a-z]+$/.test(word)) {
    if (entry.initials.includes(word)) return 75;
    if (entry.initials.some((one) => one.startsWith(word))) return 60;
  }
  if (entry.name.includes(word)) return 50;
  const digits = word.replaceAll(/[\s+()-]/g, "");
  if (/^\d+$/.test(digits) && digits.length >= DIGITS_LEAST && entry.digits.includes(digits)) {
    return entry.digits.split(" ").some((phone) => phone.endsWith(digits)) ? 45 : 30;
  }
  if (entry.rest.includes(word)) return 20;
  if (entry.id.includes(word)) return 15;
  return NOT;
}

/** What fits every word, the best first; all of it in its own order where nothing is asked. */
export function found<T>(entries: readonly Entry<T>[], query: string): T[] {
  const words = plain(query).split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return entries.map((entry) => entry.item);
  const hits: { item: T; score: number; place: number }[] = [];
  entries.forEach((entry, place) => {
    let score = 0;
    for (const word of words) {
      const fit = fits(entry, word);
      if (fit === NOT) return;
      score += fit;
    }
    hits.push({ item: entry.item, score, place });
  });
  return hits.sort((a, b) => b.score - a.score || a.place - b.place).map((hit) => hit.item);
}

/** `+99918178173286` is `+99****3286`: enough to tell two apart, not enough to ring. */
export function masked(phone: string): string {
  const characters = [...phone];
  if (characters.length <= 4) return "*".repeat(characters.length);
  return `${characters.slice(0, characters.length > 9 ? 3 : 0).join("")}****${characters.slice(-4).join("")}`;
}
