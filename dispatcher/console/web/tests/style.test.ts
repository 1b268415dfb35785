import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

/** The colours of a theme, from the tokens. */
function theme(selector: string): Map<string, string> {
  const text = readFileSync("src/style/tokens.css", "utf8");
  const block = text.slice(text.indexOf(selector) + selector.length);
  return new Map([...block.slice(0, block.indexOf("}")).matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map((found) => [found[1] ?? "", found[2] ?? ""]));
}

function luminance(hex: string): number {
  const parts = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (parts[0] ?? 0) + 0.7152 * (parts[1] ?? 0) + 0.0722 * (parts[2] ?? 0);
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const TEXT = 4.5;
const SHAPE = 3;

describe.each([["day", ":root {"], ["night", ':root[data-theme="night"] {']])("by %s", (_name, selector) => {
  const colours = theme(selector);
  const grounds = ["paper", "sheet", "sheet-low"];
  const pairs: [string, string, number][] = [
    ...grounds.flatMap((ground): [string, string, number][] => ["ink", "ink-soft", "red-ink", "green-ink", "amber-ink", "blue-ink"].map((ink) => [ink, ground, TEXT])),
    ...["red", "green", "amber", "blue"].flatMap((key): [string, string, number][] => [[`${key}-ink`, `${key}-wash`, TEXT], ["ink", `${key}-wash`, TEXT], ["ink-soft", `${key}-wash`, TEXT], ["on-strong", key, TEXT]]),
    ["paper", "ink", TEXT],
    ["paper", "ink-soft", TEXT],
    ["on-strong", "red-deep", TEXT],
    ...grounds.map((ground): [string, string, number] => ["line-firm", ground, SHAPE]),
    ...grounds.map((ground): [string, string, number] => ["focus", ground, SHAPE]),
  ];
  it.each(pairs)("%s on %s can be read", (ink, ground, least) => {
    expect(contrast(colours.get(ink) ?? "", colours.get(ground) ?? "")).toBeGreaterThanOrEqual(least);
  });
});

describe("the sources", () => {
  const files = readdirSync("src", { recursive: true }).map(String).filter((name) => /\.(vue|css)$/.test(name)).map((name) => join("src", name));

  it("have no type under 16 px", () => {
    for (const name of files) {
      for (const found of readFileSync(name, "utf8").matchAll(/font-size:\s*([\d.]+)(rem|px)\b/g)) {
        const px = Number(found[1]) * (found[2] === "px" ? 1 : 16);
        expect(px, `${name}: ${found[0]}`).toBeGreaterThanOrEqual(16);
      }
    }
  });

  it("have no inline style or handler that the Content-Security-Policy would forbid", () => {
    for (const name of [...files, "index.html", "wall.html", "call.html"]) {
      const text = readFileSync(name, "utf8");
      const markup = name.endsWith(".vue") ? text.slice(text.indexOf("<template>"), text.lastIndexOf("</template>")) : name.endsWith(".html") ? text : "";
      expect(markup, name).not.toMatch(/\sstyle="|\son[a-z]+="|v-html/);
      if (name.endsWith(".html")) {
        expect(text).not.toMatch(/<style/);
        for (const script of text.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)) expect([script[1]?.includes("src="), script[2]]).toEqual([true, ""]);
        expect(text).not.toMatch(/https?:\/\//);
      }
    }
  });
});
