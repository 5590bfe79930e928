/** Waits for a request's turn where it has to queue; separate from the handler, because handshakes queue too. */

import type { Attempt } from "../../pool/attempt.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { Refusal } from "../../proxy/refusal.ts";

/** The first step of an exchange, once there is one; "gone" if the client left before its turn. */
export function firstStep(exchange: Exchange, client: AbortSignal): Promise<Attempt | Refusal | "gone"> {
  const step = exchange.next();
  if (step.kind !== "wait") return Promise.resolve(step);
  return new Promise((resolve, reject) => {
    const onGone = () => {
      exchange.leaveQueue();
      resolve("gone");
    };
    if (client.aborted) return onGone();
    client.addEventListener("abort", onGone, { once: true });
    exchange.park({
      resume(turn) {
        client.removeEventListener("abort", onGone);
        resolve(turn);
      },
      failed(bug) {
        client.removeEventListener("abort", onGone);
        reject(bug);
      },
    });
  });
}

/** Nobody reads it: the client's connection is closed. 499 is NGINX's word for it. */
export function clientClosedResponse(): Response {
  return new Response(null, { status: 499 });
}
