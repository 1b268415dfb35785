import "../style/tokens.css";
import "../style/base.css";

import { createApp } from "vue";

import { startTicking } from "../live/now";
import { startTheme } from "../style/theme";
import { i18n, startTongue } from "../words";
import ConsoleApp from "./ConsoleApp.vue";

startTheme();
startTongue();
startTicking();
createApp(ConsoleApp).use(i18n).mount("#app");
