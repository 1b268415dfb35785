/** The register's pages: each a line in the console's menu, loaded when it is opened at `#/<id>`. */

import { type Component, defineComponent, h } from "vue";

import type { Me } from "../api/shapes";

export interface RegisterPage {
  id: string;
  /** A word, as `t()` takes it. */
  title: string;
  may: (me: Me) => boolean;
  load: () => Promise<Component>;
}

/** Who may change the register; the others look. */
export function mayWrite(me: Me | null): boolean {
  return me !== null && (me.role === "admin" || me.role === "district");
}

const looks = (me: Me): boolean => me.role !== "volunteer";

/** The same page for every section; a component of its own for each, so that nothing of one is left in another. */
function section(id: "residents" | "stations" | "devices" | "staff" | "areas" | "webhooks", may: (me: Me) => boolean = looks): RegisterPage {
  return {
    id,
    title: `register.section.${id}`,
    may,
    load: async () => {
      const [page, sections] = await Promise.all([import("./SectionPage.vue"), import("./sections")]);
      return defineComponent({ name: `Register-${id}`, setup: () => () => h(page.default as Component, { section: sections[id] }) });
    },
  };
}

export const pages: RegisterPage[] = [
  { id: "open", title: "register.section.open", may: looks, load: () => import("./OpenCall.vue").then((one) => one.default) },
  { id: "handover", title: "handover.title", may: looks, load: () => import("../shift/HandoverPage.vue").then((one) => one.default) },
  { id: "followups", title: "followup.title", may: looks, load: () => import("../shift/FollowUpsPage.vue").then((one) => one.default) },
  { id: "duty", title: "duty.title", may: looks, load: () => import("../shift/DutyPage.vue").then((one) => one.default) },
  section("residents"),
  section("devices"),
  section("stations"),
  section("staff"),
  section("areas"),
  { id: "holidays", title: "register.section.holidays", may: mayWrite, load: () => import("./HolidaysPage.vue").then((one) => one.default) },
  { id: "policies", title: "register.section.policies", may: looks, load: () => import("./PoliciesPage.vue").then((one) => one.default) },
  section("webhooks", mayWrite),
  { id: "sheets", title: "register.section.sheets", may: looks, load: () => import("./SheetsPage.vue").then((one) => one.default) },
  { id: "history", title: "register.section.history", may: looks, load: () => import("./HistoryPage.vue").then((one) => one.default) },
];
