import "../style/tokens.css";
import "../style/base.css";

import { createApp } from "vue";

import { startTicking } from "../live/now";
import { startTheme } from "../style/theme";
import { i18n, startTongue } from "../words";
import PhoneApp from "./PhoneApp.vue";
import { startServiceWorker } from "./phone";

startTheme();
startTongue();
startTicking();
createApp(PhoneApp).use(i18n).mount("#app");
startServiceWorker();
