/** The errors of the form that is open: its fields look up their own path. */

import { type InjectionKey, type Ref, inject, ref } from "vue";

import { say } from "../words";
import type { Wrong } from "./checks";

export type Errors = Ref<ReadonlyMap<string, Wrong>>;
export const ERRORS: InjectionKey<Errors> = Symbol("errors");

/** What the server masks, each asked for by itself. */
export type Masked = "phone" | "door_code" | "identity_number";
/** Asks the server for it, with the reason, and puts it into the form for a minute. */
export type Unmask = (what: Masked) => void;
export const UNMASK: InjectionKey<Unmask> = Symbol("unmask");
/** What the server shows in place of what it does not tell. */
export const STARS = "****";

export function useErrors(): Errors {
  return inject(ERRORS, ref(new Map<string, Wrong>()));
}

export function wordsOf(wrong: Wrong): string {
  return say(`register.wrong.${wrong.word}`, { ...wrong.values, said: wrong.said ?? "" });
}

/** Of a field: its own error, or one further in where its parts have no place of their own. */
export function errorAt(errors: ReadonlyMap<string, Wrong>, path: string, deep: boolean): string {
  const own = errors.get(path);
  if (own !== undefined) return wordsOf(own);
  if (!deep) return "";
  for (const [at, wrong] of errors) if (at.startsWith(`${path}.`) || at.startsWith(`${path}[`)) return wordsOf(wrong);
  return "";
}
