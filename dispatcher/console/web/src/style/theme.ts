/** Day and night colours: by the system, until somebody chooses. */

import { ref } from "vue";

const KEPT = "yijian.theme";

export type Theme = "day" | "night";
export const theme = ref<Theme>("day");

function show(wanted: Theme): void {
  theme.value = wanted;
  document.documentElement.dataset["theme"] = wanted;
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", wanted === "night" ? "#14120e" : "#f4efe4");
}

export function toggleTheme(): void {
  show(theme.value === "day" ? "night" : "day");
  try {
    localStorage.setItem(KEPT, theme.value);
  } catch {
    // Then by the system again next time.
  }
}

export function startTheme(): void {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // As above.
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  show(kept === "day" || kept === "night" ? kept : dark.matches ? "night" : "day");
  dark.addEventListener("change", () => {
    if (kept === null) show(dark.matches ? "night" : "day");
  });
}
