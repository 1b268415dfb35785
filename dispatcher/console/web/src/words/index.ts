/** The language: Chinese first, English second, kept on this computer. Each room brings its own words. */

import { createI18n } from "vue-i18n";

import { en as mapEn, zh as mapZh } from "../map/words";
import { en as peopleEn, zh as peopleZh } from "../people/words";
import { en as registerEn, zh as registerZh } from "../register/words";
import { en as shiftEn, zh as shiftZh } from "../shift/words";
import { en as wallEn, zh as wallZh } from "../wall/words";
import { en } from "./en";
import { zh } from "./zh";

export type Tongue = "zh-CN" | "en";

const KEPT = "yijian.language";

export const messages = {
  "zh-CN": { ...zh, ...shiftZh, map: mapZh, wall: wallZh, register: registerZh, people: peopleZh },
  en: { ...en, ...shiftEn, map: mapEn, wall: wallEn, register: registerEn, people: peopleEn },
};

export const i18n = createI18n({ legacy: false, locale: "zh-CN", fallbackLocale: "zh-CN", messages });

/** Outside of a component. */
export const say = i18n.global.t as (word: string, values?: Record<string, unknown>) => string;

/** The word of a code of the API, as `word("state", "received")`; the code itself where we have none for it. */
export function word(room: string, code: string | null | undefined): string {
  if (code === null || code === undefined || code === "") return "";
  const key = `${room}.${code}`;
  // Codes with a dot or a dash in them are names, not paths.
  return i18n.global.te(key) ? say(key) : code.replaceAll("_", " ");
}

export function tongue(): Tongue {
  return i18n.global.locale.value;
}

export function setTongue(wanted: Tongue): void {
  i18n.global.locale.value = wanted;
  document.documentElement.lang = wanted;
  try {
    localStorage.setItem(KEPT, wanted);
  } catch {
    // Storage may be forbidden: then it is by the browser's languages next time.
  }
}

export function startTongue(): void {
  let wanted: string | null = null;
  try {
    wanted = localStorage.getItem(KEPT);
  } catch {
    // As above.
  }
  wanted ??= navigator.languages.find((tag) => /^(zh|en)/i.test(tag)) ?? "zh-CN";
  setTongue(/^en/i.test(wanted) ? "en" : "zh-CN");
}

/** A list of sentences. */
export function sayList(key: string): string[] {
  const found: unknown = i18n.global.tm(key);
  return Array.isArray(found) ? found.map(String) : [];
}
