import { describe, expect, it } from "vitest";

import { type Preview, listOf, totals } from "../src/register/sheets";

const seen: Preview = {
  kind: "xlsx",
  sections: { residents: { rows: 3, added: 1, changed: 2, unchanged: 0, first: [] }, contacts: { rows: 1, added: null, changed: null, unchanged: null, first: [] } },
  errors: [{ path: "residents[0].phone", error: "is masked", zh: "号码打了星号", sheet: "老人", cell: "C2", heading: "电话" }],
  warnings: [{ path: "", error: "not read", zh: "没有读", sheet: "备注" }],
  mark: null,
};

describe("the preview of a file", () => {
  it("names each error by its cell, errors first, in the reader's language", () => {
    expect(listOf(seen, true).map((row) => [row.place, row.what, row.error])).toEqual([["老人!C2", "号码打了星号", true], ["备注", "没有读", false]]);
    expect(listOf(seen, false)[0]?.what).toBe("is masked");
  });
  it("counts what would be added and changed, and nothing for sheets that are part of another", () => {
    expect(totals(seen)).toEqual({ added: 1, changed: 2 });
    expect(totals(null)).toEqual({ added: 0, changed: 0 });
  });
});
