/** What a wall may say of somebody: where, roughly, and initials. Pure. */

const HAN = /\p{Script=Han}/u;
/** Two-character family names; the others have one. */
const DOUBLE = ["欧阳", "司马", "上官", "诸葛", "司徒", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐", "长孙", "宇文", "东方", "南宫"];

/** `李秀英` is `李**`, `欧阳明` is `欧阳*`, `Anna Maria Schmidt` is `A. M. S.`; nothing is nothing. */
export function initials(name: string): string {
  const trimmed = name.trim();
  const letters = [...trimmed];
  const first = letters[0];
  if (first === undefined) return "";
  if (HAN.test(first)) {
    const family = DOUBLE.find((one) => trimmed.startsWith(one) && letters.length > 2) ?? first;
    return `${family}${"*".repeat(Math.min(2, Math.max(1, letters.length - [...family].length)))}`;
  }
  return trimmed.split(/[\s·.-]+/u).filter((part) => /^\p{L}/u.test(part)).slice(0, 3).map((part) => `${([...part][0] ?? "").toUpperCase()}.`).join(" ");
}

/** Round and round by a point or two, so that no line stands on the same points for months. */
export function shiftAt(minute: number): { x: number; y: number } {
  const path = [[0, 0], [1, 0], [2, 0], [2, 1], [2, 2], [1, 2], [0, 2], [-1, 2], [-2, 2], [-2, 1], [-2, 0], [-2, -1], [-2, -2], [-1, -2], [0, -2], [1, -2], [2, -2], [2, -1], [1, -1], [0, -1]] as const;
  const [x, y] = path[((Math.floor(minute) % path.length) + path.length) % path.length] ?? [0, 0];
  return { x, y };
}
