/** Somebody who is not in the register: what must be known of them to send help. Pure. */

import { type Wrong, wrongIn } from "./checks";

export interface Stranger {
  name: string;
  phone: string;
  address: string;
  area: string;
}

export function strangerFaults(who: Stranger): Wrong[] {
  if ([who.name, who.phone, who.address, who.area].every((one) => one.trim() === "")) return [{ path: "name", word: "some" }];
  // The same rules as in the register, but nothing is needed there.
  return wrongIn("residents", { id: "x", name: who.name, phone: who.phone, address: who.address }, 0).filter((one) => one.word !== "needed");
}
