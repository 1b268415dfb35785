// The pages' weight: script as it goes over the line, gzipped, the map apart.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 350;
const dist = new URL("../dist/", import.meta.url);
const names = readdirSync(dist, { recursive: true }).map(String).filter((name) => name.endsWith(".js"));
let total = 0;
for (const name of names.sort()) {
  const kb = gzipSync(readFileSync(new URL(name.replaceAll("\\", "/"), dist)), { level: 9 }).length / 1024;
  const map = /(^|\/)(map|leaflet|pmtiles)/i.test(name);
  if (!map) total += kb;
  process.stdout.write(`${kb.toFixed(1).padStart(8)} KB  ${name}${map ? "  (map, not counted)" : ""}\n`);
}
process.stdout.write(`${total.toFixed(1).padStart(8)} KB  of script, gzipped, without the map; ${LIMIT_KB} KB at most\n`);
if (names.length === 0 || total > LIMIT_KB) process.exit(1);
