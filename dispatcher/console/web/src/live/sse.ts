/** Server-Sent Events, read from pieces of text as they come. */

export interface Block {
  id: string;
  event: string;
  data: string;
}

function parsed(text: string): Block {
  const block: Block = { id: "", event: "", data: "" };
  const data: string[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith(":")) continue;
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    else if (name === "id" || name === "event") block[name] = value;
  }
  block.data = data.join("\n");
  return block;
}

/** Gives whole blocks; half of one is kept until its end comes. */
export class Blocks {
  private text = "";

  add(piece: string): Block[] {
    this.text += piece.replaceAll("\r\n", "\n");
    const parts = this.text.split("\n\n");
    this.text = parts.pop() ?? "";
    return parts.map(parsed).filter((block) => block.id !== "" || block.event !== "" || block.data !== "");
  }
}
