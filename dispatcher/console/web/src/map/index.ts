/**
 * The map's place on a call's card. The card asks for this component when it is opened, and loads it then:
 *
 *     <CallMap :call="call" :stations="ReadonlyMap<string, Station>" />
 *
 * Null: there is no map, and the card shows the address and the distances in words alone.
 */

import type { Component } from "vue";

export const loadCallMap: (() => Promise<Component>) | null = () => import("./MapOfCall.vue").then((one) => one.default);
