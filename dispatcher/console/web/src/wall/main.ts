import "../style/tokens.css";
import "../style/base.css";
import "./wall.css";

import { createApp } from "vue";

import { startTicking } from "../live/now";
import { i18n, startTongue } from "../words";
import WallPage from "./WallPage.vue";

startTongue();
startTicking();
// A command centre is dark; the day's colours would glare.
document.documentElement.dataset["theme"] = "night";
document.querySelector('meta[name="theme-color"]')?.setAttribute("content", "#0d0b08");
createApp(WallPage).use(i18n).mount("#app");
