/** The pages about people who log in: each a line in the console's menu, loaded when it is opened at `#/<id>`. */

import { type RegisterPage, mayWrite } from "../register";

export const peoplePages: RegisterPage[] = [
  { id: "me", title: "people.page.me", may: (me) => me.session !== "", load: () => import("./OwnPage.vue").then((one) => one.default) },
  { id: "logins", title: "people.page.logins", may: mayWrite, load: () => import("./LoginsPage.vue").then((one) => one.default) },
  { id: "audit", title: "people.page.audit", may: (me) => ["admin", "district", "street", "community", "grid"].includes(me.role), load: () => import("./AuditPage.vue").then((one) => one.default) },
];
