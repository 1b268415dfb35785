/** The pages about people who log in: each a line in the console's menu, loaded when it is opened at `#/<id>`. */

import type { RegisterPage } from "../register";

export const peoplePages: RegisterPage[] = [
  { id: "me", title: "people.page.me", may: (me) => me.session !== "", load: () => import("./OwnPage.vue").then((one) => one.default) },
];
