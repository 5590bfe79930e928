/** An upstream's side of a WebSocket handshake, on a raw socket. */

import { createHash } from "node:crypto";

/** The response head that accepts a WebSocket. RFC 6455 section 4.2.2. */
export function switchingProtocols(key: string): string {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const headers = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
  return ["HTTP/1.1 101 Switching Protocols", ...headers, "", ""].join("\r\n");
}
