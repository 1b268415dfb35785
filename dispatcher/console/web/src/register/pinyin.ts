/**
 * Initials of a Chinese name as they are typed: `王瑞兰` → `wrl`. Without a dictionary: the browser knows the order of the
 * pinyin, and a character lies between the first ones of two letters. Family names that are read otherwise have a table.
 */

/** The first character of each letter in pinyin order; no syllable begins with i, u or v. */
const FIRSTS = "阿八嚓哒妸发旮哈讥咔垃妈拏噢妑七呥仨他屲夕丫帀";
const LETTERS = "abcdefghjklmnopqrstwxyz";
/** As family names they are read otherwise than in most words. */
const FAMILY: Record<string, string> = { 曾: "z", 单: "s", 解: "x", 仇: "q", 区: "o", 查: "z", 盖: "g", 朴: "p", 尉: "y", 翟: "z", 缪: "m", 覃: "q", 黑: "h", 种: "c", 折: "s", 乜: "n", 员: "y", 洗: "x", 冼: "x", 逄: "p", 乐: "y", 重: "c", 长: "z", 召: "s" };
const ALSO: Record<string, string> = { 乐: "l", 覃: "t", 翟: "d", 长: "c", 解: "j", 重: "z", 行: "x" };

const HAN = /\p{Script=Han}/u;
const LATIN = /[a-z0-9]/;
const collator = new Intl.Collator("zh-CN-u-co-pinyin");
const firsts = [...FIRSTS];
const known = new Map<string, string>();
const KNOWN_MAX = 20_000;

function initial(character: string): string {
  const found = known.get(character);
  if (found !== undefined) return found;
  let low = 0;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (collator.compare(firsts[middle] ?? "", character) <= 0) low = middle;
    else high = middle - 1;
  }
  const letter = LETTERS[low] ?? "";
  if (known.size < KNOWN_MAX) known.set(character, letter);
  return letter;
}

/** Every way the initials of a name may be typed: most names have one, `乐晓` has two. */
export function initialsOf(name: string): string[] {
  const letters = [...name.toLowerCase()].filter((character) => HAN.test(character) || LATIN.test(character));
  const rest = letters.slice(1).map((character) => (HAN.test(character) ? initial(character) : character)).join("");
  const first = letters[0];
  if (first === undefined) return [];
  const ways = HAN.test(first) ? [FAMILY[first] ?? initial(first), ALSO[first]] : [first];
  return [...new Set(ways.filter((way) => way !== undefined).map((way) => way + rest))];
}
