/** What the server says of a file before it is loaded, and how it is shown. Pure. */

interface Fault {
  path: string;
  error: string;
  zh: string;
  sheet?: string;
  cell?: string;
  heading?: string;
}

interface Change {
  field: string;
  before: unknown;
  after: unknown;
}

export interface Preview {
  kind: string;
  sections: Record<string, { rows: number; added: number | null; changed: number | null; unchanged: number | null; first: { act: "added" | "changed"; id: string; name?: string; changes?: Change[] }[] }>;
  errors: Fault[];
  warnings: Fault[];
  mark: string | null;
}

export interface Row {
  place: string;
  cell: string;
  heading: string;
  what: string;
  error: boolean;
}

function rowOf(fault: Fault, chinese: boolean, error: boolean): Row {
  const cell = fault.cell ?? "";
  const place = fault.sheet === undefined ? fault.path : cell === "" ? fault.sheet : `${fault.sheet}!${cell}`;
  return { place, cell, heading: fault.heading ?? "", what: chinese ? fault.zh : fault.error, error };
}

/** Errors first, then what somebody should look at. */
export function listOf(seen: Preview, chinese: boolean): Row[] {
  return [...seen.errors.map((one) => rowOf(one, chinese, true)), ...seen.warnings.map((one) => rowOf(one, chinese, false))];
}

export function totals(seen: Preview | null): { added: number; changed: number } {
  const sections = Object.values(seen?.sections ?? {});
  return { added: sections.reduce((sum, one) => sum + (one.added ?? 0), 0), changed: sections.reduce((sum, one) => sum + (one.changed ?? 0), 0) };
}
