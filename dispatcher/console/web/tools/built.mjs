// What was built, looked at once more: nothing inline, nothing from elsewhere, every file that a page names is there.
import { existsSync, readFileSync, readdirSync } from "node:fs";

const dist = new URL("../dist/", import.meta.url);
const read = (name) => readFileSync(new URL(name, dist), "utf8");
const faults = [];
for (const page of ["index.html", "wall.html", "call.html"]) {
  const text = read(page);
  if (/<style|\sstyle=|\son[a-z]+=/.test(text)) faults.push(`${page}: something inline`);
  for (const [, attributes, body] of text.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)) {
    if (!attributes.includes("src=") || body.trim() !== "") faults.push(`${page}: an inline script`);
  }
  for (const [, path] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    if (!path.startsWith("/")) faults.push(`${page}: ${path} is not ours`);
    else if (!existsSync(new URL(`.${path}`, dist))) faults.push(`${page}: ${path} is missing`);
  }
}
for (const name of ["sw.js", "manifest.webmanifest", "icon.svg"]) if (!existsSync(new URL(name, dist))) faults.push(`${name} is missing`);
if (/\bimport\b|\bexport\b/.test(read("sw.js"))) faults.push("sw.js: is no script of its own");
for (const name of readdirSync(new URL("assets/", dist))) {
  const text = /\.(js|css)$/.test(name) ? read(`assets/${name}`) : "";
  if (/\beval\(|new Function\(/.test(text)) faults.push(`${name}: eval, which the policy forbids`);
  if (name.endsWith(".css") && /@import|url\(\s*["']?https?:/.test(text)) faults.push(`${name}: something from elsewhere`);
}
for (const fault of faults) process.stderr.write(`${fault}\n`);
process.stdout.write(`built: ${faults.length === 0 ? "as the policy wants it" : `${faults.length} faults`}\n`);
process.exit(faults.length === 0 ? 0 : 1);
