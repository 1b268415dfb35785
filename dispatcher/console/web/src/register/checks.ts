/** What is wrong with a draft, before it is sent: each with its path, in our own words. The server has the last word. Pure. */

import type { Problem } from "../api/problem";
import { hoursFaults } from "./hours";
import type { Draft, Hours } from "./shapes";

export interface Wrong {
  path: string;
  /** Below `register.wrong`. */
  word: string;
  values?: Record<string, unknown>;
  /** The server's own words, where we have none. */
  said?: string;
}

const NAME_MAX = 200;
const ADDRESS_MAX = 500;
const NOTES_MAX = 4000;
const DOOR_CODE_MAX = 64;
const PHONE_MAX = 32;
const ID = /^[A-Za-z0-9._:-]{1,64}$/;
const PHONE = /^\+?[0-9][0-9 ()-]*$/;
/** As people who have logged in see a number: the server knows which one it is. */
const MASKED = /^\+?[0-9]*\*{4}[0-9]*$/;
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/;
const YEAR_MIN = 1900;

/** Spaces alone are not sent, so they are nothing here either. */
const isText = (value: unknown): value is string => typeof value === "string" && value.trim() !== "";

function text(value: unknown, path: string, longest: number, lines = false): Wrong[] {
  if (!isText(value)) return [];
  const length = [...value].length;
  if (length > longest) return [{ path, word: "tooLong", values: { n: longest, m: length } }];
  if (CONTROL.test(value) || (!lines && /[\n\r]/.test(value))) return [{ path, word: "control" }];
  return [];
}

/* Names and telephone numbers: as `dispatcher/core/written.py` has it for sheets that are loaded. */
/** A name is no place for markup: whoever writes `<script>` there has pasted the wrong thing. */
function name(value: unknown, path: string, longest = NAME_MAX): Wrong[] {
  if (isText(value) && /[<>]/.test(value)) return [{ path, word: "markup" }];
  const wrong = text(value, path, longest);
  if (wrong.length === 0 && isText(value) && !/[\p{L}\p{N}]/u.test(value)) return [{ path, word: "noName" }];
  return wrong;
}

function phone(value: unknown, path: string): Wrong[] {
  if (!isText(value)) return [];
  if (MASKED.test(value)) return [];
  if (value.length > PHONE_MAX || !PHONE.test(value.trim()) || value.replaceAll(/\D/g, "").length < 3) return [{ path, word: "phone" }];
  return [];
}

const IDENTITY = /^[1-9]\d{5}(\d{4})(\d{2})(\d{2})\d{3}[\dX]$/;
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** By GB 11643: the last character checks the rest. As the server masks it, it knows which one it is. */
function identity(value: unknown, path: string): Wrong[] {
  if (!isText(value) || /^\d\*{16}[\dX]$/.test(value)) return [];
  const [, year, month, day] = IDENTITY.exec(value.trim()) ?? [];
  const born = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const real = year !== undefined && born.getUTCMonth() === Number(month) - 1 && born.getUTCDate() === Number(day);
  const sum = WEIGHTS.reduce((total, weight, at) => total + weight * Number(value.trim()[at]), 0);
  return real && "10X98765432"[sum % 11] === value.trim().at(-1) ? [] : [{ path, word: "identity" }];
}

export function id(value: unknown, path: string): Wrong[] {
  if (!isText(value)) return [{ path, word: "needed" }];
  return ID.test(value) ? [] : [{ path, word: "id" }];
}

function needed(value: unknown, path: string): Wrong[] {
  return isText(value) ? [] : [{ path, word: "needed" }];
}

/** `whsec_` and base64, as the server has it (`dispatcher.core.signing`); none: not signed. */
const SECRET = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}={0,2}|[A-Za-z0-9+/]{4})$/;
const SECRET_MAX = 6 + 684;
function secret(value: unknown, path: string): Wrong[] {
  return !isText(value) || (SECRET.test(value.trim()) && value.trim().length <= SECRET_MAX) ? [] : [{ path, word: "secret" }];
}

function number(value: unknown, path: string, low: number, high: number): Wrong[] {
  if (value === undefined || value === null || value === "") return [];
  return typeof value === "number" && Number.isFinite(value) && value >= low && value <= high ? [] : [{ path, word: "between", values: { low, high } }];
}

function place(value: unknown, path: string): Wrong[] {
  if (typeof value !== "object" || value === null) return [];
  const { lat, lon } = value as Draft;
  const one = (coordinate: unknown, at: string, top: number): Wrong[] =>
    coordinate === undefined || coordinate === "" ? [{ path: at, word: "bothDegrees" }] : number(coordinate, at, -top, top);
  return [...one(lat, `${path}.lat`, 90), ...one(lon, `${path}.lon`, 180)];
}

function hours(value: unknown, path: string): Wrong[] {
  if (value === undefined) return [];
  return hoursFaults(value as Hours).map((below) => ({ path: `${path}.${below}`, word: "span" }));
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

export function wrongIn(section: string, draft: Draft, thisYear: number): Wrong[] {
  const common = [...id(draft["id"] ?? draft["code"], draft["code"] === undefined ? "id" : "code"), ...name(draft["name"], "name"), ...phone(draft["phone"], "phone"), ...place(draft["location"], "location")];
  switch (section) {
    case "residents":
      return [
        ...common,
        ...needed(draft["name"], "name"),
        ...name(draft["address"], "address", ADDRESS_MAX),
        ...text(draft["door_code"], "door_code", DOOR_CODE_MAX),
        ...identity(draft["identity_number"], "identity_number"),
        ...text(draft["notes"], "notes", NOTES_MAX, true),
        ...number(draft["birth_year"], "birth_year", YEAR_MIN, thisYear),
        ...list(draft["contacts"]).flatMap((one, at) => {
          const contact = one as Draft;
          return [...name(contact["name"], `contacts[${at}].name`), ...name(contact["relation"], `contacts[${at}].relation`), ...phone(contact["phone"], `contacts[${at}].phone`)];
        }),
      ];
    case "stations": {
      const onCall = draft["on_call"] as Draft | undefined;
      return [
        ...common,
        ...needed(draft["name"], "name"),
        ...needed(draft["kind"], "kind"),
        ...hours(draft["hours"], "hours"),
        ...number(draft["capacity"], "capacity", 0, 1000),
        ...(onCall === undefined ? [] : [...hours(onCall["hours"], "on_call.hours"), ...phone(onCall["phone"], "on_call.phone"), ...number(onCall["prepare_seconds"], "on_call.prepare_seconds", 0, 86_400)]),
        ...text((draft["closed"] as Draft | undefined)?.["reason"], "closed.reason", NAME_MAX),
      ];
    }
    case "devices":
      return [...common, ...name(draft["address"], "address"), ...number(draft["heartbeat"], "heartbeat", 1, 31_557_600)];
    case "staff":
      return [...common, ...needed(draft["name"], "name"), ...needed(draft["role"], "role")];
    case "areas":
      return [...common, ...needed(draft["name"], "name"), ...needed(draft["kind"], "kind")];
    case "webhooks": {
      const url = draft["url"];
      return [...common, ...needed(url, "url"), ...(isText(url) && !/^https?:\/\/[^\s/]+\S*$/.test(url.trim()) ? [{ path: "url", word: "url" }] : []), ...secret(draft["secret"], "secret")];
    }
    default:
      return common;
  }
}

/** One error a path: the first one said. */
export function firstOf(wrong: readonly Wrong[]): Map<string, Wrong> {
  const first = new Map<string, Wrong>();
  for (const one of wrong) if (!first.has(one.path)) first.set(one.path, one);
  return first;
}

/** The server's English sentences that people run into, and our words for them. */
const SAID: [RegExp, string, (string | null)?][] = [
  [/is longer than (\d+) characters/, "tooLong", "n"],
  [/control characters|NUL/, "control"],
  [/must be 1 to \d+ of A-Z/, "id"],
  [/is not in (\w+)|no such/, "unknownRef"],
  [/is no language/, "language"],
  [/must be a year between/, "year"],
  [/must be between -?(\d+) and .*degrees/, "degrees", "n"],
  [/time of day|no span|is no hours|HH:MM/, "span"],
  [/another district/, "otherDistrict"],
  [/lies in itself|is the area itself/, "itself"],
  [/is already there/, "exists"],
  [/identity number/, "identity"],
  [/is also|is already/, "taken"],
  [/is needed|is empty/, "needed"],
  [/is earlier than/, "earlier"],
  [/seconds and at most/, "seconds"],
  [/is no fact/, "event"],
  [/whsec|secret|base64/i, "secret"],
  [/is no device family/, "family"],
  [/http|URL|host/i, "url"],
  [/is no date/, "date"],
  [/Expected|Invalid|must be/, "shape"],
];

function ownWords(path: string, said: string): Wrong {
  for (const [pattern, word, value] of SAID) {
    const hit = pattern.exec(said);
    if (hit !== null) return { path, word, said, ...(typeof value === "string" ? { values: { [value]: hit[1], m: "" } } : {}) };
  }
  return { path, word: "other", said };
}

/** What the server found wrong, by path. Empty where it named no field. */
export function wrongFrom(problem: Problem): Wrong[] {
  if (problem.errors !== undefined && problem.errors.length > 0) return problem.errors.map((one) => ownWords(one.path, one.error));
  if (problem.field === undefined) return [];
  const prefix = `${problem.field}: `;
  return [ownWords(problem.field, problem.detail.startsWith(prefix) ? problem.detail.slice(prefix.length) : problem.detail)];
}
