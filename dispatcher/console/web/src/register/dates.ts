/** Dates as people write them, one a line. Pure. */

/** `2026/10/1` and `2026年10月1日` are `2026-10-01`; each once, in order. What is no date stays as it is. */
export function datesOf(written: string): string[] {
  const dates = written.normalize("NFKC").split(/[\s,;、，；]+/u).filter((one) => one !== "").map((one) => {
    const hit = /^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$/.exec(one);
    return hit === null ? one : `${hit[1] ?? ""}-${(hit[2] ?? "").padStart(2, "0")}-${(hit[3] ?? "").padStart(2, "0")}`;
  });
  return [...new Set(dates)].sort();
}

export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
