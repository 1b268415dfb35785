/** The lists of the register, read page by page: what is there can be searched before the last page has come. */

import { shallowReactive, shallowRef } from "vue";

import { read } from "../api/http";
import type { Page } from "../api/shapes";
import { live } from "../live/live";

const PAGE = 500;
/** A hundred thousand of one kind: more than any district has, and as much as a page can hold. */
const PAGES_MAX = 200;
const FRESH_MS = 60_000;

export class Book<T> {
  readonly items = shallowRef<T[]>([]);
  readonly state = shallowReactive({ reading: false, failed: "", complete: false });
  private readMs = 0;
  private turn = 0;

  constructor(readonly path: string, private readonly idOf: (item: T) => string) {}

  /** Read it, unless that was done a moment ago. */
  async open(): Promise<void> {
    if (this.state.reading || (this.state.complete && Date.now() - this.readMs < FRESH_MS)) return;
    await this.read();
  }

  async read(): Promise<void> {
    const turn = ++this.turn;
    this.state.reading = true;
    this.state.failed = "";
    const before = this.items.value;
    const come: T[] = [];
    let cursor = "";
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const answer = await read<Page<T>>(`${this.path}?limit=${PAGE}${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
      if (turn !== this.turn) return;
      if (!answer.ok) {
        this.state.reading = false;
        this.state.failed = answer.problem.fault;
        return;
      }
      come.push(...answer.body.items);
      // A list that is read again changes at its end, not under the hands of who reads it.
      if (before.length === 0) this.items.value = [...come];
      if (answer.body.next === null) break;
      cursor = answer.body.next;
    }
    this.items.value = come;
    this.readMs = Date.now();
    this.state.reading = false;
    this.state.complete = true;
  }

  get(id: string): T | null {
    return this.items.value.find((item) => this.idOf(item) === id) ?? null;
  }

  put(item: T): void {
    const id = this.idOf(item);
    const at = this.items.value.findIndex((one) => this.idOf(one) === id);
    this.items.value = at < 0 ? [item, ...this.items.value] : this.items.value.map((one, place) => (place === at ? item : one));
  }

  drop(id: string): void {
    this.items.value = this.items.value.filter((item) => this.idOf(item) !== id);
  }
}

const books = new Map<string, Book<unknown>>();
let reader = "";

/** All of them are read anew when they are opened again. */
export function closeBooks(): void {
  books.clear();
}

/** One book a list, for all pages. Forgotten when somebody else enters: they may see less. */
export function bookOf<T>(path: string, idOf: (item: T) => string): Book<T> {
  const now = live.me.value?.id ?? "";
  if (now !== reader) {
    books.clear();
    reader = now;
  }
  let book = books.get(path);
  if (book === undefined) books.set(path, book = new Book<unknown>(path, idOf as (item: unknown) => string));
  return book as unknown as Book<T>;
}
